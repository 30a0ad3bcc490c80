//! Which nodes a pod accepts by their labels and taints, and which it would rather have.
//!
//! Pure. The rules are those of `spec.nodeSelector`, `spec.affinity.nodeAffinity` and `spec.tolerations` in the Kubernetes
//! API reference. Start reading at [`accepts`] and [`tolerates`].

use std::collections::BTreeMap;

use client::kinds::core::v1::{NodeSelectorRequirement, NodeSelectorTerm, PodSpec, Taint, Toleration};

/// Labels of a node.
pub(crate) type Labels = BTreeMap<String, String>;

/// What a pod says about nodes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Wishes {
    labels: Labels,
    /// None: any node.
    required: Option<Vec<NodeSelectorTerm>>,
    preferred: Vec<(i32, NodeSelectorTerm)>,
}

impl Wishes {
    /// Reads what the pod says.
    pub(crate) fn of(spec: &PodSpec) -> Self {
        let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
        let required =
            affinity.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
        let preferred = affinity
            .iter()
            .flat_map(|affinity| affinity.preferred_during_scheduling_ignored_during_execution.iter().flatten());
        Self {
            labels: spec.node_selector.clone().unwrap_or_default(),
            required: required.map(|selector| selector.node_selector_terms.clone()),
            preferred: preferred.map(|term| (term.weight, term.preference.clone())).collect(),
        }
    }
}

/// Whether a node of this name and these labels is one that the pod accepts.
pub(crate) fn accepts(wishes: &Wishes, name: &str, labels: &Labels) -> bool {
    wishes.labels.iter().all(|(key, value)| labels.get(key) == Some(value))
        && wishes.required.as_ref().is_none_or(|terms| terms.iter().any(|term| holds(term, name, labels)))
}

/// How much the pod would like the node: the sum of the weights of what it prefers and finds.
pub(crate) fn liking(wishes: &Wishes, name: &str, labels: &Labels) -> i64 {
    let found = wishes.preferred.iter().filter(|(_, term)| holds(term, name, labels));
    found.map(|(weight, _)| i64::from(*weight)).sum()
}

/// Whether all of a term's requirements hold. A term without any matches nothing.
fn holds(term: &NodeSelectorTerm, name: &str, labels: &Labels) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    let field = |key: &str| (key == "metadata.name").then_some(name);
    (!expressions.is_empty() || !fields.is_empty())
        && expressions.iter().all(|required| is_met(required, labels.get(&required.key).map(String::as_str)))
        && fields.iter().all(|required| is_met(required, field(&required.key)))
}

fn is_met(required: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = required.values.as_deref().unwrap_or_default();
    let listed = value.is_some_and(|value| values.iter().any(|listed| listed == value));
    let numbers = || {
        let number = value?.parse::<i64>().ok()?;
        let [limit] = values else { return None };
        Some((number, limit.parse::<i64>().ok()?))
    };
    match required.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => numbers().is_some_and(|(number, limit)| number > limit),
        "Lt" => numbers().is_some_and(|(number, limit)| number < limit),
        // Validation knows no other.
        _ => false,
    }
}

/// Whether one of the tolerations allows for the taint.
pub(crate) fn tolerates(tolerations: &[Toleration], taint: &Taint) -> bool {
    tolerations.iter().any(|toleration| {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let effect = filled(&toleration.effect).is_none_or(|effect| effect == taint.effect);
        let exists = toleration.operator.as_deref() == Some("Exists");
        let value = exists || toleration.value.as_deref().unwrap_or("") == taint.value.as_deref().unwrap_or("");
        let key = match filled(&toleration.key) {
            None => exists,
            Some(key) => key == taint.key,
        };
        effect && key && value
    })
}

#[cfg(test)]
mod tests;
