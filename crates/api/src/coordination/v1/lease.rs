//! `Lease`: who holds something, and until when they must say so again.

use crate::builtin::{Column, Description, Facts, Name, Update};

/// The facts of the kind.
pub const FACTS: Facts = Facts {
    group: "coordination.k8s.io",
    version: "v1",
    kind: "Lease",
    name: Name::Subdomain,
    // Two holders that overwrite each other unseen would both believe that they lead.
    update: Update { unconditional: false, creates: true },
    selectable_fields: &[],
    columns: &[
        Column::NAME,
        Column::text(
            "Holder",
            Description::Property { definition: "io.k8s.api.coordination.v1.LeaseSpec", property: "holderIdentity" },
        ),
        Column::AGE,
    ],
};
