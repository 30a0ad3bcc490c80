use std::time::Duration;

use jiff::Timestamp;

use super::{BackOff, after};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

#[test]
fn waits_double_up_to_the_longest() {
    let rule = BackOff::default();
    let (mut delay, mut now, mut waits) = (None, at(0), Vec::new());
    for _ in 0..8 {
        // It ends as soon as it is started.
        let ended = now;
        now = rule.until(delay, ended);
        waits.push(now.duration_since(ended).as_secs());
        delay = Some(rule.restarted(delay, ended, now));
    }
    assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
}

#[test]
fn a_container_that_has_run_well_has_no_past() {
    let rule = BackOff::default();
    let delay = rule.restarted(Some(rule.restarted(None, at(0), at(0))), at(5), at(10));
    assert_eq!(delay.length(), Duration::from_secs(20));
    assert_eq!(rule.until(Some(delay), at(10 + 600)), after(at(610), Duration::from_secs(20)));
    assert_eq!(rule.until(Some(delay), at(10 + 601)), at(611));
    assert_eq!(rule.restarted(Some(delay), at(611), at(611)).length(), Duration::from_secs(10));
}
