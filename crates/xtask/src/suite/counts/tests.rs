use super::Counts;
use crate::outcome::Outcome;

const FAILED: &str =
    "test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.00s";
const OK: &str = "test result: ok. 40 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s";

#[test]
fn the_counts_of_all_binaries_add_up() {
    let mut total = Counts::of_line(FAILED).unwrap();
    total.add(Counts::of_line(OK).unwrap());
    assert_eq!(total.to_string(), "43 passed, 2 failed, 1 skipped");
}

#[test]
fn other_lines_count_nothing() {
    for line in
        ["", "running 3 tests", "test result: ok. many passed; 0 failed; 0 ignored", "x test result: ok. 1 passed"]
    {
        assert_eq!(Counts::of_line(line), None, "{line}");
    }
}

#[test]
fn a_failed_step_without_a_failed_test_is_one_failure() {
    let failed = Outcome::Failed("it does not compile".to_owned());
    assert_eq!(Counts::default().with_step(&failed).to_string(), "0 passed, 1 failed, 0 skipped");
    let tests = Counts::of_line(FAILED).unwrap();
    assert_eq!(tests.with_step(&failed), tests);
}

#[test]
fn a_skipped_step_is_one_skip() {
    let skipped = Outcome::Skipped("no Go".to_owned());
    assert_eq!(Counts::default().with_step(&skipped).to_string(), "0 passed, 0 failed, 1 skipped");
    assert_eq!(Counts::of_line(OK).unwrap().with_step(&Outcome::Passed).to_string(), "40 passed, 0 failed, 0 skipped");
}
