//! How fast pods start.

#![expect(clippy::print_stdout, reason = "a measurement reports there")]

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::fixture::{Fixture, SERVE, script};
use crate::tests;

tests![a_pod_starts_soon_after_its_commit];

/// From the answer of the API to the start of the container, as `STYLE.md` has it in the figures: 150 ms at the median. The
/// test allows for a machine that is busy with other things.
const ALLOWED: Duration = Duration::from_millis(1500);
const PODS: usize = 11;

async fn a_pod_starts_soon_after_its_commit(fixture: &mut Fixture) -> Result<()> {
    let mut took = Vec::new();
    for number in 0..PODS {
        let name = format!("p{number}");
        let pod = fixture.run(script(&name, SERVE)).await?;
        let committed = Instant::now();
        let uid = pod.metadata.uid.context("a uid")?;
        crate::fixture::wait_until("the process", || {
            // The shim logs what the container writes: the command has been executed.
            let log = fixture.pod_directory(&uid).join("c0/0.log");
            std::fs::metadata(log).is_ok_and(|log| log.len() > 0).then_some(())
        })
        .await?;
        took.push(committed.elapsed());
    }
    took.sort();
    let median = took[took.len() / 2];
    println!("API commit to first output of the container: median {median:?}, longest {:?}", took[took.len() - 1]);
    ensure!(median < ALLOWED, "{took:?}");
    Ok(())
}
