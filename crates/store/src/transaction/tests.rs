//! What is refused whatever the state.

use super::MAX_WRITES;
use crate::tests::{key, template};
use crate::{CommitError, Transaction};

#[test]
fn two_writes_to_one_key_are_refused() {
    let twice =
        Transaction::new().put(key("a"), template("")).put(key("b"), template("")).delete(key("a"), template(""));
    assert!(matches!(twice.check(), Err(CommitError::WrittenTwice { key: found }) if found == key("a")));
}

#[test]
fn a_transaction_has_a_limit_of_writes() {
    let puts = |count: usize| (0..count).fold(Transaction::new(), |all, n| all.put(key(&n.to_string()), template("")));
    assert!(puts(MAX_WRITES).check().is_ok());
    let refused = puts(MAX_WRITES + 1).check();
    assert!(
        matches!(refused, Err(CommitError::TooManyWrites { writes, limit: MAX_WRITES }) if writes == MAX_WRITES + 1)
    );
}
