//! What tells processes apart, and how their end is read.

use super::{Ending, Identity, PidfdInfo, parse_start_time};

#[test]
fn a_command_with_blanks_and_parentheses_does_not_shift_the_start_time() {
    let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 8812 1000 10 18446744073709551615";
    assert_eq!(parse_start_time(stat), Some(8812));
}

#[test]
fn a_cut_stat_line_has_no_start_time() {
    assert_eq!(parse_start_time("7 (sh) S 1 7"), None);
}

#[test]
fn a_process_with_another_start_time_is_not_the_same() {
    let me = Identity::of(rustix::process::getpid()).unwrap();
    assert!(me.open().unwrap().is_some());
    let earlier = Identity { start_time: me.start_time - 1, ..me };
    assert!(earlier.open().unwrap().is_none());
}

#[test]
fn wait_status_words_are_read_as_codes_and_signals() {
    assert_eq!(Ending::from_wait_status(0), Some(Ending::Code(0)));
    assert_eq!(Ending::from_wait_status(7 << 8), Some(Ending::Code(7)));
    assert_eq!(Ending::from_wait_status(9), Some(Ending::Signal(9)));
    assert_eq!(Ending::from_wait_status(0x80 | 11), Some(Ending::Signal(11)), "with a core dump");
    assert_eq!(Ending::from_wait_status(0x7f), None, "stopped, not ended");
}

#[test]
fn the_kernel_struct_has_its_published_size() {
    assert_eq!(size_of::<PidfdInfo>(), 64);
}
