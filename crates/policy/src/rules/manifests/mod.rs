//! Rules on manifests, one file for each matter, and what they share.

/// An example: a pod with one container, and what follows the container's image.
macro_rules! pod_example {
    ($rest:literal) => {
        crate::rule::Example(concat!(
            "//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: shop}\nspec:\n  containers:\n    - name: web\n      \
             image: quay.io/example/web:1.2.0\n",
            $rest
        ))
    };
    ($before:literal, $rest:literal) => {
        crate::rule::Example(concat!(
            "//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: shop}\nspec:\n",
            $before,
            "  containers:\n    - name: web\n      image: quay.io/example/web:1.2.0\n",
            $rest
        ))
    };
}

/// An example: a deployment, from its `spec` on.
macro_rules! deployment_example {
    ($spec:literal) => {
        crate::rule::Example(concat!(
            "//- deploy.yaml\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n",
            $spec
        ))
    };
}

mod access;
mod apis;
mod argo;
mod batch;
mod builds;
mod containers;
mod kustomize;
mod network;
mod operators;
mod probes;
mod secrets;
mod security;
mod tls;
mod workloads;

use crate::facts::Facts;
use crate::facts::manifest::{Container, Object, Pod, pod};
use crate::finding::Place;
use crate::rule::Rule;

/// All of them.
pub const RULES: [&[&Rule]; 14] = [
    access::RULES,
    apis::RULES,
    argo::RULES,
    batch::RULES,
    builds::RULES,
    containers::RULES,
    kustomize::RULES,
    network::RULES,
    operators::RULES,
    probes::RULES,
    secrets::RULES,
    security::RULES,
    tls::RULES,
    workloads::RULES,
];

pub(super) use secrets::assignments;
pub(super) use tls::switch_off;

/// Every container of every object.
fn containers(facts: &Facts) -> impl Iterator<Item = Container<'_>> {
    facts.objects.iter().flat_map(Object::containers)
}

/// Every pod that is written out in full.
fn pods(facts: &Facts) -> impl Iterator<Item = Pod<'_>> {
    facts.objects.iter().filter(|object| !object.partial).filter_map(pod)
}

/// Calls back with every image that is deployed: its place, its name, whether a container of a pod runs it.
pub(super) fn images(facts: &Facts, mut call: impl FnMut(Place, &str, bool)) {
    for container in containers(facts) {
        if let Some(image) = container.node.get("image") {
            call(
                container.object.place(image.span),
                image.text().unwrap_or_default(),
                pod(container.object).is_some(),
            );
        }
    }
    for object in &facts.objects {
        let paths: &[&str] = match object.kind.as_str() {
            "CatalogSource" => &["spec.image"],
            "SparkApplication" => &["spec.image", "spec.driver.image", "spec.executor.image"],
            "ScheduledSparkApplication" => &["spec.template.image"],
            _ => &[],
        };
        for node in paths.iter().filter_map(|path| object.node.at(path)) {
            call(object.place(node.span), node.text().unwrap_or_default(), false);
        }
    }
}

/// An image's name, its tag, and whether it has a digest. Lenient: what a template completes is split all the same.
pub(super) fn image_parts(image: &str) -> (&str, Option<&str>, bool) {
    let (rest, digest) = match image.split_once('@') {
        Some((rest, _)) => (rest, true),
        None => (image, false),
    };
    let after = rest.rfind('/').map_or(0, |slash| slash + 1);
    match rest[after..].find(':') {
        Some(colon) => (&rest[..after + colon], Some(&rest[after + colon + 1..]), digest),
        None => (rest, None, digest),
    }
}

/// A quantity of Kubernetes as a number: `500m`, `1Gi`, `2e3`.
fn quantity(text: &str) -> Option<f64> {
    let end =
        text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let factor = match &text[end..] {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "Pi" => 1024f64.powi(5),
        "Ei" => 1024f64.powi(6),
        exponent => 10f64
            .powi(exponent.strip_prefix(['e', 'E'])?.parse::<i32>().ok().filter(|power| power.abs() < 30)?),
    };
    Some(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_and_quantities() {
        assert_eq!(image_parts("registry:5000/a/b"), ("registry:5000/a/b", None, false));
        assert_eq!(image_parts("a/b:1@sha256:x"), ("a/b", Some("1"), true));
        assert_eq!(image_parts("${REGISTRY}/a:latest"), ("${REGISTRY}/a", Some("latest"), false));
        assert_eq!(quantity("500m"), Some(0.5));
        assert_eq!(quantity("1Gi"), quantity("1024Mi"));
        assert_eq!(quantity("2e3"), Some(2000.0));
        for bad in ["", "x", "1Zi", "1e999"] {
            assert_eq!(quantity(bad), None, "{bad}");
        }
    }
}
