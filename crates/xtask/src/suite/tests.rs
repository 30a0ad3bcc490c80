use super::{STEPS, forward};

#[test]
fn what_tests_print_is_passed_on_as_it_is_and_counted() {
    let printed = b"\xff\ntest result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n";
    let mut out = Vec::new();
    let counts = forward(&printed[..], &mut out).unwrap();
    assert_eq!(out, printed);
    assert_eq!(counts.to_string(), "2 passed, 0 failed, 1 skipped");
}

#[test]
fn a_step_only_needs_what_runs_before_it() {
    for (index, step) in STEPS.iter().enumerate() {
        let before = &STEPS[..index];
        assert!(step.needs.is_none_or(|needed| before.iter().any(|step| step.name == needed)), "{}", step.name);
    }
}
