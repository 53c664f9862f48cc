//! `bases:` — what images are built on that no Dockerfile builds.

use oci::Reference;

use super::form::Form;
use crate::model::{Base, BaseKind};
use crate::yaml::{Node, Pair, Value};

/// The bases of a file.
pub fn bases(form: &mut Form<'_>, node: &Node) -> Vec<Base> {
    form.pairs(node, "bases").iter().filter_map(|pair| base(form, pair)).collect()
}

/// `NAME: REFERENCE`, or `NAME: {suite: bookworm, packages: […], variant: minbase}`.
fn base(form: &mut Form<'_>, pair: &Pair) -> Option<Base> {
    let place = form.place(pair.span);
    if let Err(error) = pair.key.parse::<Reference>() {
        form.say(pair.span, error.to_string());
        return None;
    }
    let kind = match &pair.value.value {
        Value::Scalar { .. } => {
            let text = form.text(&pair.value, &format!("bases.{}", pair.key))?;
            if let Err(error) = text.parse::<Reference>() {
                form.say(pair.value.span, error.to_string());
                return None;
            }
            BaseKind::Reference(text.to_owned())
        }
        _ => debian(form, pair)?,
    };
    Some(Base { name: pair.key.clone(), kind, place })
}

fn debian(form: &mut Form<'_>, pair: &Pair) -> Option<BaseKind> {
    let what = format!("bases.{}", pair.key);
    let fields = form.fields(&pair.value, &what, &["suite", "packages", "variant"]);
    let (mut suite, mut packages, mut variant) = (None, Vec::new(), None);
    for field in fields {
        match field.key.as_str() {
            "suite" => suite = form.text(&field.value, "suite").map(str::to_owned),
            "packages" => packages = form.texts(&field.value, "packages"),
            _ => variant = form.text(&field.value, "variant").map(str::to_owned),
        }
    }
    if suite.is_none() {
        form.say(pair.span, format!("`{what}` needs `suite`, for example `bookworm`, or is a reference"));
    }
    Some(BaseKind::Debian { suite: suite?, packages, variant })
}
