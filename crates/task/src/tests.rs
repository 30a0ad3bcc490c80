use std::sync::mpsc;
use std::time::Duration;

use crate::{Class, Group};

#[tokio::test]
async fn classes_stop_one_after_the_other() {
    let group = Group::new();
    let (tx, rx) = mpsc::channel();
    for (class, name) in [(Class::Core, "core"), (Class::Controller, "controller"), (Class::Ingress, "ingress")] {
        let tx = tx.clone();
        group.spawn(class, name, |token| async move {
            token.cancelled().await;
            tx.send(name).unwrap();
        });
    }
    assert!(group.stop(Duration::from_secs(5)).await);
    drop(tx);
    assert_eq!(rx.iter().collect::<Vec<_>>(), ["ingress", "controller", "core"]);
}

#[tokio::test]
async fn a_task_that_ignores_its_token_is_reported_after_the_grace_time() {
    let group = Group::new();
    group.spawn(Class::Core, "stubborn", |_| std::future::pending());
    assert!(!group.stop(Duration::from_millis(20)).await);
}

#[tokio::test]
async fn a_class_whose_turn_did_not_come_is_told_after_the_grace_time() {
    let group = Group::new();
    group.spawn(Class::Ingress, "stubborn", |_| std::future::pending());
    assert!(!group.stop(Duration::from_millis(20)).await);
    assert!(group.token(Class::Core).is_cancelled());
}

#[tokio::test]
async fn a_panic_is_named() {
    let group = Group::new();
    group.spawn(Class::Controller, "broken", |_| async { panic!("on purpose") });
    assert_eq!(group.failed().await, "broken");
}
