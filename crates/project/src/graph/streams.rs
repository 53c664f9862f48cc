//! Image streams: what builds write to must be declared somewhere.

use super::build::Draft;
use crate::finding::{Code, Finding};
use crate::model::{ImageName, Origin};

/// Looks for image streams that BuildConfigs write to and that the repository does not declare. A repository that declares
/// none has them from elsewhere.
pub fn check(draft: &mut Draft<'_>) {
    let streams = &draft.project.image_streams;
    if streams.is_empty() {
        return;
    }
    let images = draft.project.images.iter().filter(|image| image.origin == Origin::BuildConfig);
    let mut findings = Vec::new();
    for image in images {
        for output in &image.outputs {
            let ImageName::StreamTag { namespace, name, .. } = &output.name else { continue };
            let namespace = namespace.as_ref().or(image.namespace.as_ref());
            let declared = streams.iter().any(|stream| {
                let agrees = stream.namespace.is_none()
                    || namespace.is_none()
                    || stream.namespace.as_ref() == namespace;
                stream.name == *name && agrees
            });
            if !declared {
                let message =
                    format!("`{}` writes to the image stream `{name}`, which is not declared", image.name);
                let names = streams.iter().map(|stream| stream.name.as_str());
                let near = dockerfile::suggest::nearest(name, names).filter(|near| near != name);
                let fix = near.map(|near| format!("did you mean `{near}`?"));
                let found = Finding::warning(Code::MissingImageStream, output.place.clone(), message);
                findings.push(found.fix_opt(fix).about([&image.name]));
            }
        }
    }
    draft.findings.extend(findings);
}
