//! Pods as real processes: they run, are reached by configuration, roll over, and outlive the server.
//!
//! Each test has a server of its own and ends with nothing of it left on the machine.

mod machine;

use crate::harness::{Kubectl, Server, eventually, on_own_server};
use machine::{Process, Traces};

on_own_server![
    a_pod_outlives_a_killed_server_and_is_adopted,
    a_pod_that_ended_while_the_server_was_away_says_how,
    a_deployment_rolls_out_back_and_away,
    configuration_arrives_as_environment_and_as_files,
    a_failing_container_is_restarted_and_backs_off,
    an_image_that_cannot_be_had_is_named,
    pods_end_with_the_server_if_asked,
];

/// A pod that counts aloud, and can be found by `marker` among the processes of the machine.
fn counter(name: &str, marker: &str) -> String {
    let script =
        format!(": {marker}; i=0; trap 'exit 3' TERM; while true; do i=$((i+1)); echo tick $i; sleep 0.1; done");
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  terminationGracePeriodSeconds: 5\n  containers:\n  \
         - {{name: main, image: host, command: [/bin/sh, -c, \"{script}\"]}}\n"
    )
}

/// A word that no other process of the machine has in its arguments.
fn marker() -> String {
    crate::harness::unique(&format!("marker-{}", std::process::id()))
}

fn running(kubectl: &Kubectl, pod: &str) {
    kubectl.run(&["wait", "--for=condition=Ready", "--timeout=20s", pod]).ok();
}

/// Stops a server and takes along what its node had not yet cleaned up: pods leave the API before their namespaces go.
fn put_away(mut server: Server) {
    server.stop();
    server.restart_with(&["--stop-pods"]);
    server.stop();
}

fn a_pod_outlives_a_killed_server_and_is_adopted() {
    let mut server = Server::start();
    let marker = marker();
    server.kubectl("default").apply(&counter("counter", &marker)).ok();
    running(&server.kubectl("default"), "pod/counter");
    let process = Process::find(&marker);
    let traces = Traces::of(&process);
    let id = server.kubectl("default").field("pod/counter", "{.status.containerStatuses[0].containerID}");
    server.kill9();
    assert!(process.is_alive(), "the pod goes on without its server");
    server.restart();
    let kubectl = server.kubectl("default");
    running(&kubectl, "pod/counter");
    assert!(process.is_alive(), "the process is the same");
    assert_eq!(kubectl.field("pod/counter", "{.status.containerStatuses[0].containerID}"), id);
    assert_eq!(kubectl.field("pod/counter", "{.status.containerStatuses[0].restartCount}"), "0");
    let mut log = kubectl.stream(&["logs", "--follow", "counter"]);
    // Nothing is missing of what was said while there was no server.
    for expected in 1..=20 {
        assert_eq!(log.line(), format!("tick {expected}"));
    }
    kubectl.run(&["delete", "pod", "counter", "--timeout=20s"]).ok();
    assert!(!process.is_alive());
    server.stop();
    traces.check_gone();
}

fn a_pod_that_ended_while_the_server_was_away_says_how() {
    let mut server = Server::start();
    let marker = marker();
    server
        .kubectl("default")
        .apply(&counter("counter", &marker).replace("spec:\n", "spec:\n  restartPolicy: Never\n"))
        .ok();
    running(&server.kubectl("default"), "pod/counter");
    let process = Process::find(&marker);
    let traces = Traces::of(&process);
    server.kill9();
    process.terminate();
    eventually("the process ends", || (!process.is_alive()).then_some(()));
    server.restart();
    let kubectl = server.kubectl("default");
    kubectl.run(&["wait", "--for=jsonpath={.status.phase}=Failed", "--timeout=20s", "pod/counter"]).ok();
    assert_eq!(kubectl.field("pod/counter", "{.status.containerStatuses[0].state.terminated.exitCode}"), "3");
    kubectl.run(&["delete", "pod", "counter", "--timeout=20s"]).ok();
    traces.wait_for_removal();
    server.stop();
    traces.check_gone();
}

/// Three servers of one file that are ready when they answer.
fn deployment(marker: &str) -> String {
    let script = format!(": {marker}; trap 'exit 0' TERM; python3 -m http.server 8080 & wait");
    format!(
        r#"
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 3
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
        - name: web
          image: host
          command: [/bin/sh, -c, "{script}"]
          env: [{{name: VERSION, value: "1"}}]
          readinessProbe: {{httpGet: {{path: /, port: 8080}}, periodSeconds: 1}}
"#
    )
}

fn a_deployment_rolls_out_back_and_away() {
    let mut server = Server::start();
    let marker = marker();
    let kubectl = server.kubectl("default");
    let settled = || kubectl.run(&["rollout", "status", "deployment/web", "--timeout=60s"]).ok();
    let version = "{.spec.template.spec.containers[0].env[0].value}";
    kubectl.apply(&deployment(&marker)).ok();
    settled();
    let traces = Traces::of(&Process::find(&marker));
    assert_eq!(kubectl.field("deployment/web", "{.status.availableReplicas}"), "3");
    kubectl.run(&["set", "env", "deployment/web", "VERSION=2"]).ok();
    settled();
    assert_eq!(kubectl.field("deployment/web", version), "2");
    kubectl.run(&["rollout", "undo", "deployment/web"]).ok();
    settled();
    assert_eq!(kubectl.field("deployment/web", version), "1");
    kubectl.run(&["scale", "deployment/web", "--replicas=1"]).ok();
    settled();
    kubectl.run(&["delete", "deployment", "web", "--cascade=foreground", "--timeout=30s"]).ok();
    assert_eq!(kubectl.run(&["get", "pods,replicasets", "--output=name"]).ok(), "");
    server.stop();
    traces.check_gone();
}

fn configuration_arrives_as_environment_and_as_files() {
    let server = Server::start();
    let kubectl = server.kubectl("default");
    kubectl
        .apply(
            r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {greeting: ahoy, port.conf: "listen 8080"}
---
apiVersion: v1
kind: Secret
metadata: {name: token}
stringData: {value: s3cret}
---
apiVersion: v1
kind: Pod
metadata: {name: reader}
spec:
  restartPolicy: Never
  containers:
    - name: main
      image: host
      command: [/bin/sh, -c, 'echo "$GREETING $TOKEN $(POD)"; cat /etc/settings/port.conf; echo; cat /etc/token/value']
      env:
        - {name: GREETING, valueFrom: {configMapKeyRef: {name: settings, key: greeting}}}
        - {name: TOKEN, valueFrom: {secretKeyRef: {name: token, key: value}}}
        - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
      volumeMounts:
        - {name: settings, mountPath: /etc/settings}
        - {name: token, mountPath: /etc/token}
  volumes:
    - {name: settings, configMap: {name: settings}}
    - {name: token, secret: {secretName: token}}
"#,
        )
        .ok();
    kubectl.run(&["wait", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=20s", "pod/reader"]).ok();
    assert_eq!(kubectl.run(&["logs", "reader"]).ok(), "ahoy s3cret reader\nlisten 8080\ns3cret");
    kubectl.run(&["delete", "pod", "reader", "--timeout=20s"]).ok();
    put_away(server);
}

fn a_failing_container_is_restarted_and_backs_off() {
    let server = Server::start();
    let kubectl = server.kubectl("default");
    kubectl
        .apply(
            "apiVersion: v1\nkind: Pod\nmetadata: {name: broken}\nspec:\n  containers:\n  \
             - {name: main, image: host, command: [/bin/sh, -c, 'echo giving up; exit 7']}\n",
        )
        .ok();
    let waiting = "{.status.containerStatuses[0].state.waiting.reason}";
    eventually("the back-off begins", || (kubectl.field("pod/broken", waiting) == "CrashLoopBackOff").then_some(()));
    let code = "{.status.containerStatuses[0].lastState.terminated.exitCode}";
    assert_eq!(kubectl.field("pod/broken", code), "7");
    assert_eq!(kubectl.run(&["logs", "broken", "--previous"]).ok(), "giving up\n");
    kubectl.run(&["delete", "pod", "broken", "--timeout=20s"]).ok();
    put_away(server);
}

/// The manifest of row P3, as users have it.
const STOREFRONT: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: storefront
spec:
  replicas: 3
  selector:
    matchLabels: {app: storefront}
  template:
    metadata:
      labels: {app: storefront}
    spec:
      containers:
        - name: web
          image: nginx:1.21
          ports:
            - containerPort: 80
"#;

fn an_image_that_cannot_be_had_is_named() {
    let server = Server::start();
    let kubectl = server.kubectl("default");
    kubectl.apply(STOREFRONT).ok();
    let messages = "{.items[*].status.containerStatuses[0].state.waiting.message}";
    eventually("each of three pods names its image", || {
        let ran = kubectl.run(&["get", "pods", "--selector=app=storefront", &format!("--output=jsonpath={messages}")]);
        (ran.ok().matches("nginx:1.21").count() >= 3).then_some(())
    });
    kubectl.run(&["delete", "deployment", "storefront", "--cascade=foreground", "--timeout=30s"]).ok();
    put_away(server);
}

fn pods_end_with_the_server_if_asked() {
    let mut server = Server::start();
    let marker = marker();
    server.kubectl("default").apply(&counter("counter", &marker)).ok();
    running(&server.kubectl("default"), "pod/counter");
    let process = Process::find(&marker);
    let traces = Traces::of(&process);
    server.stop();
    assert!(process.is_alive(), "pods go on by default");
    server.restart_with(&["--stop-pods"]);
    server.stop();
    assert!(!process.is_alive());
    traces.check_gone();
}
