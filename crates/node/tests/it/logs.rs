//! Logs, as the API server asks for them.

use anyhow::{Context, Result, ensure};
use http_body_util::BodyExt;
use serde_json::json;

use crate::fixture::{Fixture, script, with, with_spec};
use crate::tests;

tests![
    options_choose_what_is_told,
    a_followed_log_ends_with_its_container,
    a_followed_log_goes_on_through_rotation,
    the_previous_log_is_that_of_the_attempt_before,
    a_container_that_has_not_started_has_no_log,
    a_log_of_no_container_is_refused,
];

async fn options_choose_what_is_told(fixture: &mut Fixture) -> Result<()> {
    let script_text = "echo one; echo two; echo three >&2; printf four";
    fixture.run(with_spec(script("p", script_text), "restartPolicy", json!("Never"))).await?;
    fixture.wait_for_phase("p", "Succeeded").await?;
    let (_, all) = fixture.log("p", "").await?;
    // The order of the two streams is not defined.
    for line in ["one\n", "two\n", "three\n", "four"] {
        ensure!(all.contains(line), "{all:?}");
    }
    assert_eq!(fixture.log("p", "stream=Stdout").await?.1, "one\ntwo\nfour");
    assert_eq!(fixture.log("p", "stream=Stderr").await?.1, "three\n");
    assert_eq!(fixture.log("p", "tailLines=0").await?.1, "");
    assert_eq!(fixture.log("p", "tailLines=100").await?.1, all);
    assert_eq!(fixture.log("p", "limitBytes=5").await?.1, all[..5]);
    assert_eq!(fixture.log("p", "sinceTime=2100-01-01T00:00:00Z").await?.1, "");
    assert_eq!(fixture.log("p", "sinceSeconds=3600").await?.1, all);
    let (_, stamped) = fixture.log("p", "timestamps=true&tailLines=2").await?;
    let time = stamped.split(' ').next().context("a time")?;
    time.parse::<jiff::Timestamp>()?;
    Ok(())
}

async fn a_followed_log_ends_with_its_container(fixture: &mut Fixture) -> Result<()> {
    let count = "for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.05; done";
    fixture.run(with_spec(script("p", count), "restartPolicy", json!("Never"))).await?;
    fixture.wait_for_log("p", "1").await?;
    let (status, text) = fixture.log("p", "follow=true").await?;
    assert_eq!((status, text.as_str()), (200, "1\n2\n3\n4\n5\n6\n7\n8\n9\n"));
    Ok(())
}

async fn a_followed_log_goes_on_through_rotation(fixture: &mut Fixture) -> Result<()> {
    // Each line has a kilobyte; the log is begun anew after ten megabytes.
    let count = "i=0; pad=$(printf '%01000d' 0); echo begun; while [ ! -e /tmp/go ]; do sleep 0.02; done; \
                 while [ $i -lt 15000 ]; do echo $i $pad; i=$((i+1)); done";
    let pod = fixture.run(with_spec(script("p", count), "restartPolicy", json!("Never"))).await?;
    fixture.wait_for_log("p", "begun").await?;
    let uid = pod.metadata.uid.context("a uid")?;
    let process = fixture.process(&uid).await?;
    let mut log = fixture.log_stream("p", "follow=true").await?;
    std::fs::write(format!("/proc/{}/root/tmp/go", process.pid), "")?;
    let mut text = Vec::new();
    while let Some(frame) = log.body_mut().frame().await {
        let frame = frame.map_err(|error| anyhow::anyhow!("{error}"))?;
        text.extend_from_slice(frame.data_ref().context("data")?);
    }
    let text = String::from_utf8(text)?;
    let numbers: Vec<&str> = text.lines().skip(1).filter_map(|line| line.split(' ').next()).collect();
    let expected: Vec<String> = (0..15000).map(|number| number.to_string()).collect();
    ensure!(numbers == expected, "{} lines, and they are not those that were written", numbers.len());
    let rotated = fixture.pod_directory(&uid).join("c0/0.log.1");
    ensure!(rotated.exists(), "the log was not begun anew");
    // A reader that comes later begins in the older part.
    let (_, tail) = fixture.log("p", "tailLines=12000").await?;
    assert_eq!(tail.lines().count(), 12000);
    ensure!(tail.starts_with("3000 "), "{:?}", &tail[..20]);
    Ok(())
}

async fn the_previous_log_is_that_of_the_attempt_before(fixture: &mut Fixture) -> Result<()> {
    let script_text = "if [ -e /v/second ]; then echo second; exec sleep 1000; fi; touch /v/second; echo first; exit 1";
    let mut pod = script("p", script_text);
    pod["spec"]["volumes"] = json!([{"name": "v", "emptyDir": {}}]);
    pod["spec"]["terminationGracePeriodSeconds"] = json!(0);
    fixture.run(with(pod, "volumeMounts", json!([{"name": "v", "mountPath": "/v"}]))).await?;
    fixture.wait_for_log("p", "second").await?;
    assert_eq!(fixture.log("p", "previous=true").await?, (200, "first\n".to_owned()));
    Ok(())
}

async fn a_container_that_has_not_started_has_no_log(fixture: &mut Fixture) -> Result<()> {
    fixture.run(with(script("p", ""), "image", json!("example.com/app:1"))).await?;
    fixture.wait_for_reason("p", "ErrImagePull").await?;
    let (status, text) = fixture.log("p", "").await?;
    assert_eq!(status, 400);
    ensure!(text.contains("is waiting to start: ErrImagePull"), "{text}");
    let (status, text) = fixture.log("p", "previous=true").await?;
    assert_eq!(status, 400);
    ensure!(text.contains("previous terminated container"), "{text}");
    Ok(())
}

async fn a_log_of_no_container_is_refused(fixture: &mut Fixture) -> Result<()> {
    use tower::ServiceExt;
    let ask = async |path: &str| {
        let request = http::Request::get(path).body(axum::body::Body::empty())?;
        let response = fixture.agent.router().oneshot(request).await?;
        anyhow::Ok(response.status().as_u16())
    };
    assert_eq!(ask("/containerLogs/default/absent/c").await?, 404);
    fixture.run(script("p", "exec sleep 1000")).await?;
    fixture.wait_until_ready("p").await?;
    assert_eq!(ask("/containerLogs/default/p/other").await?, 400);
    assert_eq!(ask("/containerLogs/default/p/c?tailLines=x").await?, 400);
    assert_eq!(ask("/containerLogs/default/p/c?color=red").await?, 400);
    Ok(())
}
