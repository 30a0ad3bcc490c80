//! The environment and the command line of a container, with everything that they refer to.
//!
//! Reads ConfigMaps and Secrets; the rules are in `environment` and `fields`. Start reading at [`variables`].

use client::kinds::core::v1::{Container, EnvFromSource, EnvVarSource, Pod};

use crate::environment::{self, Builder};
use crate::fields::{self, Allocatable, FieldError};
use crate::source::{Content, Reader, Reference};

/// Why a container cannot be told its values.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ValueError {
    #[error("{0} not found")]
    Missing(Reference),
    #[error("couldn't find key {key} in {kind} {namespace}/{name}")]
    Key { key: String, kind: &'static str, namespace: String, name: String },
    #[error("value of key {key} in {reference} is not UTF-8, which a variable has to be")]
    Text { key: String, reference: Reference },
    #[error(transparent)]
    Field(#[from] FieldError),
    /// Retry.
    #[error("cannot read what the environment refers to")]
    Api(#[from] client::Error),
}

/// What a container may be told about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub pod: &'a Pod,
    pub host_ip: &'a str,
    pub allocatable: Allocatable,
    /// Variables that come with the image.
    pub image: &'a [(String, String)],
}

/// The variables of a container, in the order of Kubernetes: the image's, `envFrom`, then `env`, each seeing those before.
///
/// # Errors
/// What is missing and not optional; [`ValueError::Api`].
pub(crate) async fn variables(
    container: &Container,
    facts: Facts<'_>,
    reader: &mut Reader<'_>,
) -> Result<Builder, ValueError> {
    let mut builder = Builder::default();
    for (name, value) in facts.image {
        builder.set(name, value);
    }
    for source in container.env_from.iter().flatten() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        for (key, value) in all_of(source, reader).await?.data {
            let name = format!("{prefix}{key}");
            // A key that no environment can carry is left out, as upstream does (KEP-4369); so is one that is no text.
            if let (true, Ok(value)) = (environment::is_name(&name), String::from_utf8(value)) {
                builder.set(name, value);
            }
        }
    }
    for variable in container.env.iter().flatten() {
        match &variable.value_from {
            None => builder.set_expanded(&variable.name, variable.value.as_deref().unwrap_or_default()),
            Some(source) => {
                if let Some(value) = one_of(source, (container, facts), reader).await? {
                    builder.set(&variable.name, value);
                }
            }
        }
    }
    Ok(builder)
}

/// Everything that a source of many variables has.
async fn all_of(source: &EnvFromSource, reader: &mut Reader<'_>) -> Result<Content, ValueError> {
    let map = source.config_map_ref.as_ref().map(|map| (Reference::config_map(&map.name), map.optional));
    let secret = source.secret_ref.as_ref().map(|secret| (Reference::secret(&secret.name), secret.optional));
    let Some((reference, optional)) = map.or(secret) else { return Ok(Content::default()) };
    match reader.read(&reference).await? {
        Some(content) => Ok(content),
        None if optional == Some(true) => Ok(Content::default()),
        None => Err(ValueError::Missing(reference)),
    }
}

/// The value that a source has; none if it is missing and optional.
async fn one_of(
    source: &EnvVarSource,
    (container, facts): (&Container, Facts<'_>),
    reader: &mut Reader<'_>,
) -> Result<Option<String>, ValueError> {
    if let Some(selector) = &source.field_ref {
        return Ok(Some(fields::field(facts.pod, &selector.field_path, facts.host_ip)?));
    }
    if let Some(selector) = &source.resource_field_ref {
        let name = selector.container_name.as_deref().filter(|name| !name.is_empty());
        let spec = facts.pod.spec.as_ref();
        let mut all = spec.into_iter().flat_map(|spec| spec.init_containers.iter().flatten().chain(&spec.containers));
        let meant = match name {
            None => container,
            Some(name) => {
                let found = all.find(|container| container.name == name);
                found.ok_or_else(|| FieldError::Container(name.to_owned()))?
            }
        };
        return Ok(Some(fields::resource(meant, selector, facts.allocatable)?));
    }
    let map = source.config_map_key_ref.as_ref();
    let map = map.map(|key| (Reference::config_map(&key.name), "ConfigMap", &key.key, key.optional));
    let secret = source.secret_key_ref.as_ref();
    let secret = secret.map(|key| (Reference::secret(&key.name), "Secret", &key.key, key.optional));
    let Some((reference, kind, key, optional)) = map.or(secret) else { return Ok(None) };
    let is_optional = optional == Some(true);
    let Some(mut content) = reader.read(&reference).await? else {
        return if is_optional { Ok(None) } else { Err(ValueError::Missing(reference)) };
    };
    match content.data.remove(key) {
        Some(bytes) => {
            let text = String::from_utf8(bytes);
            text.map(Some).map_err(|_bytes| ValueError::Text { key: key.clone(), reference })
        }
        None if is_optional => Ok(None),
        None => {
            let namespace = facts.pod.metadata.namespace.clone().unwrap_or_default();
            Err(ValueError::Key { key: key.clone(), kind, namespace, name: reference.name })
        }
    }
}
