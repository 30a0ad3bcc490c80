//! What the API server counts, under the names that dashboards for Kubernetes expect.

use std::time::Duration;

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::server::Inner;

/// The content type of the text exposition.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const REQUESTS: &str = "apiserver_request";
const DURATION: &str = "apiserver_request_duration";
const STORED_OBJECTS: &str = "apiserver_storage_objects";

/// Upper bounds in seconds; upstream's, thinned out.
const DURATION_BUCKETS: [f64; 12] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];

/// Of which kind a request was. Values come from the registry and a fixed list of verbs, so their number is bounded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    pub(crate) verb: &'static str,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) scope: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CountLabels {
    verb: &'static str,
    group: String,
    version: String,
    resource: String,
    subresource: String,
    scope: &'static str,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResourceLabels {
    resource: String,
}

/// The counters of one server.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<CountLabels, Counter>,
    durations: Family<RequestLabels, Histogram>,
    objects: Family<ResourceLabels, Gauge>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let requests = Family::<CountLabels, Counter>::default();
        let durations = Family::<RequestLabels, Histogram>::new_with_constructor(|| Histogram::new(DURATION_BUCKETS));
        let objects = Family::<ResourceLabels, Gauge>::default();
        let mut registry = Registry::default();
        registry.register(REQUESTS, "Requests by verb, resource and HTTP code", requests.clone());
        registry.register_with_unit(
            DURATION,
            "Time from the request to the beginning of its answer, watches left out",
            Unit::Seconds,
            durations.clone(),
        );
        registry.register(STORED_OBJECTS, "Stored objects by resource", objects.clone());
        Self { registry, requests, durations, objects }
    }

    /// Counts an answered request.
    pub(crate) fn answered(&self, labels: &RequestLabels, code: StatusCode, took: Duration) {
        let RequestLabels { verb, group, version, resource, subresource, scope } = labels.clone();
        let counted = CountLabels { verb, group, version, resource, subresource, scope, code: code.as_u16() };
        self.requests.get_or_create(&counted).inc();
        if labels.verb != "WATCH" {
            self.durations.get_or_create(labels).observe(took.as_secs_f64());
        }
    }

    /// The text exposition.
    pub(crate) fn render(&self, server: &Inner) -> String {
        let snapshot = server.store.snapshot();
        self.objects.clear();
        for resource in server.registry().all() {
            let name = match resource.group.as_str() {
                "" => resource.plural.clone(),
                group => format!("{}.{group}", resource.plural),
            };
            let count = snapshot.count(&resource.collection, "");
            let gauge = self.objects.get_or_create(&ResourceLabels { resource: name });
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_formatting_into_a_string) => String::new(),
        }
    }
}
