//! What rules have to say once an image is built: of what its steps fetched and of what it holds.

use oci::record::Intake;

use super::base::{self, Standing};
use super::packages::is_central;
use super::source::{FETCHED, WHEELS, prebuilt};
use super::{languages, packages};
use crate::facts::Facts;
use crate::facts::built::{BuiltImage, Installed, SeenStage, SeenStep, Ubi, unobserved_words};
use crate::finding::Place;
use crate::level::{Level, Levels};
use crate::lifecycle::Release;
use crate::rule::{Example, Family, Need, Rule, Sink};

/// What a rule says of an image that was built.
pub type Again = fn(&Facts, &BuiltImage, &mut Sink<'_>);

/// The rules that are asked again, with what they ask then.
pub const AGAIN: &[(&Rule, Again)] = &[
    (&base::NOT_APPROVED, not_approved),
    (&packages::INDEX_OUTSIDE, outside),
    (&FETCHED, fetched),
    (&WHEELS, wheels),
    (&languages::FLOOR, floor),
    (&languages::ENDED, ended),
    (&languages::NOT_LTS, not_lts),
    (&STORE, trust),
];

/// Whether a rule has more to say after a build: what silences it may be meant for then.
pub fn is_asked_again(name: &str) -> bool {
    super::find(name).is_some_and(|found| AGAIN.iter().any(|(rule, _)| rule.id == found.id))
}

/// A trust store without the organisation's certificates.
pub static STORE: Rule = Rule {
    id: "ca-not-in-store",
    family: Family::Certificates,
    levels: Levels::STANDARD,
    title: "every trust store of an image has the organisation's CA certificates",
    why: "Each language brings a trust store of its own: the system's, Java's keystore, certifi of Python. A program that reads \
          the one that was forgotten cannot reach the organisation's servers. Looked at after the build, in the image itself.",
    fix: "name the certificates with `ca` in kapok.yaml: they are put into every store that can be read",
    bad: Example(
        "//- Dockerfile\nFROM «registry.access.redhat.com/ubi9/openjdk-21:1.20»\nCOPY ca.crt /etc/pki/ca-trust/source/anchors/\n//- built.json\n{\"trust\": [{\"path\": \"/opt/java/lib/security/cacerts\", \"lacks\": 1}]}\n",
    ),
    good: Example(
        "//- Dockerfile\nFROM registry.access.redhat.com/ubi9/openjdk-21:1.20\n//- built.json\n{\"trust\": [{\"path\": \"/etc/pki/tls/certs/ca-bundle.crt\", \"lacks\": 0}]}\n",
    ),
    needs: &[Need::Tree],
    ..Rule::BLANK
};

/// These rules.
pub const RULES: &[&Rule] = &[&STORE];

/// The place of something in a stage: the step that brought it, else what the stage starts from.
fn place_of(built: &BuiltImage, stage: &SeenStage, step: Option<usize>) -> Place {
    step.map_or_else(|| built.stage(stage.stage), |step| built.step(step))
}

/// Every language that is in a stage, with its place; one whose version no file says has no release.
fn each_language(
    built: &BuiltImage,
    sink: &mut Sink<'_>,
    mut say: impl FnMut(&mut Sink<'_>, &SeenStage, &Installed, Option<Release>, Place),
) {
    for stage in &built.seen.stages {
        let Some(languages) = &stage.languages else {
            sink.unknown(Some(built.stage(stage.stage)), "the files of this stage are not here");
            continue;
        };
        for one in languages {
            say(sink, stage, one, one.release(), place_of(built, stage, one.step));
        }
    }
}

/// Where it was found, behind what was found.
fn inside(one: &Installed) -> String {
    format!("(`{}`)", one.path)
}

/// The Python of the operating system in a stage that is not shipped serves that system's own tools.
fn is_tool(stage: &SeenStage, one: &Installed) -> bool {
    !stage.shipped && one.product == "python" && one.of.is_some()
}

fn floor(_: &Facts, built: &BuiltImage, sink: &mut Sink<'_>) {
    each_language(built, sink, |sink, stage, one, release, place| {
        let Some(floor) = sink.standards.floors.get(&one.product).cloned() else { return };
        let Some(release) = release else {
            sink.unknown(Some(place), format!("no file says which version `{}` is", one.path));
            return;
        };
        if release.is_below(&floor) {
            let message =
                format!("{} {} is older than {floor} {}", release.title(), release.version, inside(one));
            sink.find(place, message).about(built.name.as_deref());
            if is_tool(stage, one) {
                sink.at_most(Level::Warning);
            }
        }
    });
}

fn ended(_: &Facts, built: &BuiltImage, sink: &mut Sink<'_>) {
    let today = sink.standards.today;
    each_language(built, sink, |sink, stage, one, release, place| {
        let Some(release) = release else {
            sink.unknown(Some(place), format!("no file says which version `{}` is", one.path));
            return;
        };
        // A system that is supported keeps its own interpreters alive.
        if let Some(day) = release.ended(today).filter(|_| !one.is_maintained(today)) {
            let message = format!("{} {} ended on {day} {}", release.title(), release.version, inside(one));
            sink.find(place, message).about(built.name.as_deref());
            if is_tool(stage, one) {
                sink.at_most(Level::Warning);
            }
        }
    });
}

fn not_lts(_: &Facts, built: &BuiltImage, sink: &mut Sink<'_>) {
    each_language(built, sink, |sink, _, one, release, place| {
        let Some(mut release) = release.filter(|release| release.product == "java") else { return };
        release.version = release.version.split('.').next().unwrap_or_default().to_owned();
        if release.is_short_lived() == Some(true) {
            let message = format!("Java {} has no long support {}", release.version, inside(one));
            sink.find(place, message).about(built.name.as_deref());
        }
    });
}

fn trust(_: &Facts, built: &BuiltImage, sink: &mut Sink<'_>) {
    let Some(stores) = &built.seen.trust else {
        sink.unknown(Some(built.target()), "the image's files are not here");
        return;
    };
    for store in stores {
        let place = built.target();
        match store.lacks {
            Some(0) => {}
            Some(lacks) => {
                let what =
                    if lacks == 1 { "a certificate".to_owned() } else { format!("{lacks} certificates") };
                sink.find(
                    place,
                    format!("the trust store `{}` lacks {what} of the organisation", store.path),
                )
                .about(built.name.as_deref());
            }
            None => sink.unknown(Some(place), format!("the trust store `{}` cannot be read", store.path)),
        }
    }
}

/// What steps fetched that something came of, each with its step's place; says what nobody observed.
fn each_intake<'b>(
    built: &'b BuiltImage,
    sink: &mut Sink<'_>,
    mut say: impl FnMut(&mut Sink<'_>, Place, &[&'b Intake], &'b SeenStep),
) {
    for step in &built.seen.steps {
        let place = built.step(step.step);
        // A secret's value is no dependency.
        for what in step.unobserved.iter().filter(|what| !what.starts_with("secret:")) {
            sink.unknown(Some(place), unobserved_words(what));
        }
        let fetched: Vec<&Intake> = step.intakes.iter().filter(|intake| came(intake)).collect();
        for intake in step.intakes.iter().filter(|intake| is_opaque(intake)) {
            sink.unknown(Some(place), format!("nobody looked at what came from `{}`", intake.url));
        }
        say(sink, place, &fetched, step);
    }
}

/// Whether an answer came, with something in it.
fn came(intake: &Intake) -> bool {
    let well = intake.status.is_none_or(|status| (200..300).contains(&status));
    intake.verdict.is_allowed()
        && well
        && intake.digest.is_some()
        && intake.method != "HEAD"
        && is_web(intake)
}

fn is_web(intake: &Intake) -> bool {
    intake.url.starts_with("http://") || intake.url.starts_with("https://")
}

/// Whether bytes came that nobody looked at.
fn is_opaque(intake: &Intake) -> bool {
    let tunnel =
        intake.url.starts_with("tcp://") || intake.url.starts_with("udp://") || intake.method == "CONNECT";
    intake.verdict.is_allowed() && tunnel
}

/// The host of a URL, with its port.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default()
}

fn outside(_: &Facts, built: &BuiltImage, sink: &mut Sink<'_>) {
    if sink.standards.central.is_empty() {
        return;
    }
    each_intake(built, sink, |sink, place, fetched, _| {
        let mut hosts: Vec<(&str, &str, usize)> = Vec::new();
        // A package says more to people than the index that it was found in.
        let (packages, indexes): (Vec<&Intake>, Vec<&Intake>) =
            fetched.iter().copied().partition(|intake| !intake.mutable);
        for intake in packages.into_iter().chain(indexes) {
            let source = intake.from.as_deref().unwrap_or(&intake.url);
            // What the central repository sends elsewhere for, it answers for.
            if is_central(sink.standards, &intake.url) || is_central(sink.standards, source) {
                continue;
            }
            match hosts.iter_mut().find(|(known, ..)| *known == host(source)) {
                Some((_, _, count)) => *count += 1,
                None => hosts.push((host(source), source, 1)),
            }
        }
        for (host, first, count) in hosts {
            let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
            let message = format!("`{first}`{more} came from `{host}`, which is not the central repository");
            sink.find(place, message).about(built.name.as_deref());
        }
    });
}

/// Ecosystems whose packages a vendor signs.
const VENDORS: [&str; 3] = ["debian", "rpm", "alpine"];

/// The last part of a URL's path.
fn file_name(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or(path)
}

/// What came compiled already, as names with what they are; wheels or everything else.
fn compiled<'b>(fetched: &[&'b Intake], wheels: bool) -> Vec<(&'b str, &'static str)> {
    let vendors = |intake: &Intake| intake.ecosystem.as_deref().is_some_and(|name| VENDORS.contains(&name));
    let mut found: Vec<(&str, &'static str)> = fetched
        .iter()
        .filter(|intake| !vendors(intake) && !intake.mutable)
        .filter_map(|intake| Some((file_name(&intake.url), prebuilt(&intake.url)?)))
        .filter(|(name, what)| (*what == "a wheel") == wheels && !is_document(name))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Signatures, digests and descriptions of what is compiled are not.
fn is_document(name: &str) -> bool {
    let ends = [
        ".asc",
        ".sig",
        ".sha1",
        ".sha256",
        ".sha512",
        ".md5",
        ".gpg",
        ".pom",
        ".xml",
        ".json",
        ".txt",
        ".metadata",
    ];
    ends.iter().any(|end| name.ends_with(end))
}

fn say_compiled(built: &BuiltImage, sink: &mut Sink<'_>, place: Place, found: &[(&str, &'static str)]) {
    let Some((first, what)) = found.first() else { return };
    let message = match found.len() {
        1 => format!("`{first}` was fetched: {what} that somebody else compiled"),
        count => format!("{count} files were fetched that somebody else compiled, such as `{first}`, {what}"),
    };
    sink.find(place, message).about(built.name.as_deref());
}

fn fetched(_: &Facts, built: &BuiltImage, sink: &mut Sink<'_>) {
    each_intake(built, sink, |sink, place, fetched, step| {
        let (tools, inside): (Vec<&Intake>, Vec<&Intake>) =
            fetched.iter().copied().partition(|intake| is_perhaps_tool(step, intake));
        say_compiled(built, sink, place, &compiled(&inside, false));
        let tools = compiled(&tools, false);
        if !tools.is_empty() {
            say_compiled(built, sink, place, &tools);
            sink.at_most(Level::Warning);
        }
    });
}

/// Maven itself is made of jars, and comes with the first build: in a stage that only builds, one that is not a file of the
/// image is as likely a tool as it is a part of what was built.
fn is_perhaps_tool(step: &SeenStep, intake: &Intake) -> bool {
    let held = step.held.iter().any(|position| step.intakes.get(*position).is_some_and(|own| own == intake));
    !step.shipped && !held && intake.ecosystem.as_deref() == Some("maven")
}

fn wheels(_: &Facts, built: &BuiltImage, sink: &mut Sink<'_>) {
    each_intake(built, sink, |sink, place, fetched, _| {
        say_compiled(built, sink, place, &compiled(fetched, true));
    });
}

/// A base whose name spoke for it, and whose files speak against it.
fn not_approved(facts: &Facts, built: &BuiltImage, sink: &mut Sink<'_>) {
    for stage in built.seen.stages.iter().filter(|stage| stage.shipped) {
        let Some((name, image)) = &stage.base else { continue };
        let Ok(reference) = name.parse() else { continue };
        let place = built.stage(stage.stage);
        match (base::standing(facts, &reference, sink.standards), image.ubi()) {
            (Standing::Named, Ubi::No(why)) => {
                sink.find(place, format!("`{name}` has the name of an approved base, but {why}"))
                    .about(built.name.as_deref());
            }
            (Standing::Named, Ubi::Open(why)) => sink.unknown(Some(place), format!("`{name}`: {why}")),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
