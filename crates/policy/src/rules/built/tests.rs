//! What is seen of an image, and what rules say of it.

use std::collections::BTreeMap;

use super::*;
use crate::facts::built::{BaseImage, Os, Places, Seen, TrustStore};
use crate::facts::{BuildInput, Facts};
use crate::{Again, Date, Profile, Standards, Waivers, judge_built};

const DOCKERFILE: &str = "FROM registry.example.internal/build:1 AS build
RUN make
FROM registry.access.redhat.com/ubi9/ubi:9.5
# kapok: ignore=prebuilt-wheel a test
RUN pip install a
RUN mvn package
";

fn again(seen: Seen, change: impl FnOnce(&mut Standards)) -> (Facts, Again) {
    let input = BuildInput { image: Some("app".to_owned()), ..BuildInput::default() };
    let facts = Facts::of_build("Dockerfile", DOCKERFILE, input);
    let today: Date = "2026-11-21".parse().expect("a date");
    let mut standards = Standards::new(Profile::Rainforest, today);
    standards.central = vec!["nexus.example.internal".to_owned()];
    change(&mut standards);
    let file = &facts.dockerfiles[0];
    let places = Places {
        source: file.source,
        steps: file.each().map(|(_, own, _)| own.span).collect(),
        stages: file.stages.iter().map(|stage| (stage.index, stage.image_span)).collect(),
        target: 1,
    };
    let built = BuiltImage::new(Some("app".to_owned()), seen, places);
    let again = judge_built(&facts, &built, &standards, &Waivers::default());
    (facts, again)
}

/// Each finding as rule, level, line and message.
fn told((facts, again): &(Facts, Again)) -> Vec<String> {
    let line = |finding: &crate::Finding| {
        let source = facts.source(finding.place.source);
        dockerfile::line_column(&source.text, finding.place.span.start).line
    };
    again
        .findings
        .iter()
        .map(|finding| format!("{} {} {} {}", finding.rule, finding.level, line(finding), finding.message))
        .collect()
}

fn unknown((_, again): &(Facts, Again)) -> Vec<String> {
    again.unknown.iter().map(|one| format!("{} {}", one.rule, one.why)).collect()
}

fn intake(url: &str, ecosystem: &str) -> Intake {
    Intake {
        url: url.to_owned(),
        digest: Some(oci::Digest::of(url.as_bytes())),
        size: 9,
        status: Some(200),
        ecosystem: Some(ecosystem.to_owned()),
        ..Intake::default()
    }
}

fn installed(product: &str, version: &str, of: Option<(&str, &str)>, step: Option<usize>) -> Installed {
    Installed {
        product: product.to_owned(),
        version: version.to_owned(),
        path: format!("/bin/{product}"),
        of: of.map(|(id, version)| Os { id: id.to_owned(), version: version.to_owned() }),
        step,
    }
}

fn stage(stage: usize, shipped: bool, languages: Option<Vec<Installed>>) -> SeenStage {
    SeenStage { stage, shipped, languages, base: None }
}

#[test]
fn languages_really_inside_are_held_to_floors_and_ends() {
    let rhel = Some(("rhel", "9.5"));
    let inside = vec![
        installed("python", "3.9.18", rhel, None),
        installed("python", "3.6.15", None, Some(1)),
        installed("java", "22.0.1", None, Some(2)),
        installed("node", "", None, None),
    ];
    let builder = vec![installed("go", "1.16.3", None, None), installed("python", "3.6.8", rhel, None)];
    let stages = vec![stage(0, false, Some(builder)), stage(1, true, Some(inside))];
    let found = again(Seen { stages, trust: Some(Vec::new()), ..Seen::default() }, |_| ());
    assert_eq!(
        told(&found),
        [
            "language-end-of-life error 1 Go 1.16.3 ended on 2022-03-15 (`/bin/go`)",
            "language-floor error 1 Go 1.16.3 is older than 1.17 (`/bin/go`)",
            "language-floor warning 1 Python 3.6.8 is older than 3.8 (`/bin/python`)",
            "language-end-of-life error 5 Python 3.6.15 ended on 2021-12-23 (`/bin/python`)",
            "language-floor error 5 Python 3.6.15 is older than 3.8 (`/bin/python`)",
            "java-not-lts error 6 Java 22 has no long support (`/bin/java`)",
            "language-end-of-life error 6 Java 22.0.1 ended on 2024-09-17 (`/bin/java`)",
        ]
    );
    assert_eq!(unknown(&found), ["language-end-of-life no file says which version `/bin/node` is"]);
}

#[test]
fn what_nobody_looked_at_is_not_known() {
    let step = SeenStep {
        step: 0,
        intakes: vec![Intake { url: "tcp://192.0.2.1:9".to_owned(), ..Intake::default() }],
        unobserved: vec!["network".to_owned(), "secret:key".to_owned()],
        ..SeenStep::default()
    };
    let stages = vec![stage(1, true, None)];
    let found = again(Seen { steps: vec![step], stages, trust: None }, |_| ());
    assert_eq!(told(&found), [""; 0]);
    let unknown = unknown(&found);
    assert!(!unknown.iter().any(|why| why.contains("secret")), "{unknown:?}");
    for part in [
        "index-outside a step had a network that nobody observed",
        "index-outside nobody looked at what came from `tcp://192.0.2.1:9`",
        "prebuilt-fetched a step had a network that nobody observed",
        "language-floor the files of this stage are not here",
        "ca-not-in-store the image's files are not here",
    ] {
        assert!(unknown.iter().any(|why| why == part), "{part}: {unknown:?}");
    }
}

#[test]
fn intakes_come_from_the_central_repository_and_are_sources() {
    let wheel = intake("https://nexus.example.internal/pypi/a-1.0-cp311-cp311-linux_x86_64.whl", "pypi");
    let pip = SeenStep { step: 1, intakes: vec![wheel], ..SeenStep::default() };
    let elsewhere = |url: &str| intake(url, "maven");
    let refused = Intake {
        verdict: oci::record::Verdict::Refused { rule: "x".to_owned(), reason: "y".to_owned() },
        ..elsewhere("https://third.example.org/c.jar")
    };
    let mirrored = Intake {
        from: Some("https://nexus.example.internal/maven/d.pom".to_owned()),
        ..elsewhere("https://maven.example.org/d.pom")
    };
    let intakes = vec![
        elsewhere("https://maven.example.org/a/1.0/a-1.0.jar"),
        elsewhere("https://maven.example.org/a/1.0/a-1.0.jar.sha1"),
        elsewhere("https://maven.example.org/b/1.0/b-1.0.jar"),
        elsewhere("https://nexus.example.internal/s/a-1.0-sources.jar"),
        intake("https://nexus.example.internal/debian/pool/x_1_amd64.deb", "debian"),
        Intake { status: Some(404), ..elsewhere("https://other.example.org/none.jar") },
        refused,
        mirrored,
    ];
    let maven = SeenStep { step: 2, shipped: true, intakes, ..SeenStep::default() };
    let seen = Seen { steps: vec![pip, maven], trust: Some(Vec::new()), ..Seen::default() };
    let found = again(seen.clone(), |_| ());
    assert_eq!(
        told(&found),
        [
            "index-outside error 6 `https://maven.example.org/a/1.0/a-1.0.jar` and 2 more came from `maven.example.org`, which is not the central repository",
            "prebuilt-fetched error 6 2 files were fetched that somebody else compiled, such as `a-1.0.jar`, a Java archive",
        ]
    );
    // The wheel is excused by a remark.
    assert_eq!((found.1.excused, found.1.findings[0].image.as_deref()), (1, Some("app")));
    let mild = again(seen, |standards| {
        standards.profile = Profile::Default;
        standards.levels.insert("prebuilt-fetched".to_owned(), Some(Level::Warning));
    });
    assert_eq!(mild.1.findings.iter().map(|one| one.level).collect::<Vec<_>>(), [Level::Warning]);
}

#[test]
fn a_jar_that_is_not_in_the_image_may_be_a_tool() {
    let jar = |name: &str| intake(&format!("https://nexus.example.internal/{name}.jar"), "maven");
    let tool = intake("https://nexus.example.internal/tool-linux-amd64.tar", "generic");
    let step = SeenStep {
        step: 0,
        intakes: vec![jar("plexus-1.0"), jar("driver-1.0"), tool],
        held: [1].into_iter().collect(),
        ..SeenStep::default()
    };
    let found = again(Seen { steps: vec![step], trust: Some(Vec::new()), ..Seen::default() }, |_| ());
    assert_eq!(
        told(&found),
        [
            "prebuilt-fetched error 2 2 files were fetched that somebody else compiled, such as `driver-1.0.jar`, a Java archive",
            "prebuilt-fetched warning 2 `plexus-1.0.jar` was fetched: a Java archive that somebody else compiled",
        ]
    );
}

#[test]
fn trust_stores_and_bases_are_looked_into() {
    let store = |path: &str, lacks| TrustStore { path: path.to_owned(), lacks };
    let trust = vec![store("/etc/ssl/x", Some(0)), store("/opt/java/cacerts", Some(2)), store("/p12", None)];
    let debian = BaseImage {
        labels: BTreeMap::new(),
        files: true,
        os: Some(Os { id: "debian".to_owned(), version: "12".to_owned() }),
        keys: Vec::new(),
    };
    let named = "registry.access.redhat.com/ubi9/ubi:9.5".to_owned();
    let own = "registry.example.internal/build:1".to_owned();
    let stages = vec![
        SeenStage { base: Some((own, debian.clone())), ..stage(0, true, Some(Vec::new())) },
        SeenStage { base: Some((named, debian)), ..stage(1, true, Some(Vec::new())) },
    ];
    let found = again(Seen { stages, trust: Some(trust), ..Seen::default() }, |_| ());
    assert_eq!(
        told(&found),
        [
            "base-not-approved error 3 `registry.access.redhat.com/ubi9/ubi:9.5` has the name of an approved base, but its os-release says `debian`",
            "ca-not-in-store error 3 the trust store `/opt/java/cacerts` lacks 2 certificates of the organisation",
        ]
    );
    assert_eq!(unknown(&found), ["ca-not-in-store the trust store `/p12` cannot be read"]);
}
