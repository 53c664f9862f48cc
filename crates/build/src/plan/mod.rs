//! From a syntax tree to a [`Plan`]: names resolved, variables expanded, configurations computed, errors found.
//!
//! Planning is pure but for the [`Images`] that it is handed. Everything that is wrong with a file comes back in one
//! go. What a plan says follows BuildKit's Dockerfile front end, down to the text of the image's history.

mod bases;
mod budget;
mod copy;
mod display;
mod draft;
pub mod git;
mod images;
mod metadata;
mod model;
mod names;
pub mod path;
mod ports;
mod report;
mod request;
mod run;
mod scope;
mod signal;
mod stage;
mod stages;
#[cfg(test)]
mod tests;
mod text;

pub use images::{BaseImage, Found, ImageError, ImageName, Images, NamedContext, NamedContexts};
pub use model::*;
pub use request::{Permissions, PlanError, PlanRequest, Planned};
pub use stages::plan;

/// Plans arbitrary text as a Dockerfile, for an image of every name.
pub fn fuzz_plan(data: &[u8]) {
    struct Anything;
    impl Images for Anything {
        fn image(&self, name: ImageName<'_>, platform: &oci::Platform) -> Result<BaseImage, ImageError> {
            let (ImageName::Reference(name) | ImageName::Layout(name)) = name;
            Ok(BaseImage {
                name: name.to_owned(),
                digest: oci::Digest::of(name.as_bytes()),
                config: oci::ImageConfig::for_platform(platform),
                layers: Vec::new(),
                epoch: None,
                found: None,
            })
        }
    }
    let text = String::from_utf8_lossy(data);
    let (dockerfile, parsed) = dockerfile::parse(&text);
    let request =
        PlanRequest { parsed: &parsed, ..PlanRequest::new(&dockerfile, oci::Platform::linux("amd64")) };
    if let Ok(planned) = plan(&request, &Anything) {
        let _ = planned.plan.to_string();
    }
}
