//! What `registries:` takes, refuses and comes to.

use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};

use super::*;
use crate::settings::load::apply;

fn load(files: &[(&str, bool)]) -> (Settings, String) {
    let mut settings = Settings::default();
    let mut said = String::new();
    for (text, trusted) in files {
        let diagnostics = apply(text, Path::new("/etc/kapok"), *trusted, &mut settings);
        let source = dockerfile::Source::new("kapok.yaml", *text);
        said += &dockerfile::render(&source, &diagnostics, false);
    }
    (settings, said)
}

fn check(text: &str, trusted: bool, expected: Expect) {
    expected.assert_eq(&load(&[(text, trusted)]).1);
}

#[test]
fn an_entry_has_all_that_registries_conf_knows() {
    let text = "\
registries:
  - prefix: registry.access.redhat.com/
    location: registry.example.org/redhat
    mirrors:
      - near.example.org:5000/redhat
      - location: far.example.org
        pull-from: digest-only
        insecure: true
        ca: [far.pem, /abs.pem]
    ca: ca.pem
    client-certificate: client.pem
    client-key: client.key
  - {location: quay.io, blocked: true}
short-names: deny
";
    let (settings, said) = load(&[(text, true)]);
    assert_eq!(said, "");
    let redhat = &settings.registries[0];
    assert_eq!(redhat.prefix, "registry.access.redhat.com");
    assert_eq!(redhat.authorities, [PathBuf::from("/etc/kapok/ca.pem")]);
    assert_eq!(redhat.mirrors[0].location, "near.example.org:5000/redhat");
    assert_eq!(redhat.mirrors[1].pull_from, PullFrom::DigestOnly);
    assert_eq!(redhat.mirrors[1].authorities[1], PathBuf::from("/abs.pem"));
    assert!(redhat.mirrors[1].insecure && settings.registries[1].blocked && settings.deny_short_names);
}

#[test]
fn mistakes_are_shown_at_their_places() {
    check(
        "registries:\n  - prefix: https://quay.io/\n  - locaton: x.example.org\n  - {prefix: debian}\n  - {blocked: true}\n\
         \x20 - {prefix: a.example.org, mirrors: [{location: b.example.org, pull-from: never}]}\nshort-names: allow\n",
        true,
        expect![[r#"
            error: `prefix` is no URL but a name
             ╭▸ kapok.yaml:2:13
            2│   - prefix: https://quay.io/
             │             ━━━━━━━━━━━━━━━━
             ╰ hint: write `quay.io`

            error: unknown key `locaton` in `registries`
             ╭▸ kapok.yaml:3:5
            3│   - locaton: x.example.org
             │     ━━━━━━━
             ╰ hint: did you mean `location`?

            error: `debian` is no `prefix`
             ╭▸ kapok.yaml:4:14
            4│   - {prefix: debian}
             │              ━━━━━━
             ╰ hint: it begins with a registry's host, such as `quay.io` or `quay.io/team`

            error: an entry of `registries` needs a `prefix`
             ╭▸ kapok.yaml:5:5
            5│   - {blocked: true}
             │     ━━━━━━━━━━━━━━━

            error: `pull-from`: expected `all`, `digest-only` or `tag-only`
             ╭▸ kapok.yaml:6:76
            6│   - {prefix: a.example.org, mirrors: [{location: b.example.org, pull-from: never}]}
             │                                                                            ━━━━━

            error: `short-names`: expected `docker.io` or `deny`
             ╭▸ kapok.yaml:7:14
            7│ short-names: allow
             │              ━━━━━
        "#]],
    );
}

#[test]
fn a_project_can_neither_loosen_nor_unblock() {
    let machine =
        "registries:\n  - {prefix: quay.io, blocked: true}\n  - {prefix: a.example.org, insecure: true}\n";
    let project = "registries:\n  - {prefix: quay.io/team, location: b.example.org}\n  - {prefix: b.example.org, insecure: true}\n\
                   \x20 - {prefix: a.example.org, location: c.example.org}\n";
    let (settings, said) = load(&[(machine, true), (project, false)]);
    assert!(said.contains("error: `quay.io/team` is blocked"), "{said}");
    assert!(said.contains("error: a project may not set `insecure`"), "{said}");
    let a = settings.registries.iter().find(|entry| entry.prefix == "a.example.org");
    assert_eq!(a.map(|entry| (entry.location.as_str(), entry.insecure)), Some(("c.example.org", false)));
}

#[test]
fn what_is_said_of_a_place_holds_wherever_it_stands() {
    let text = "registries:\n  - {prefix: in.example.org:5000, insecure: true, ca: x.pem}\n\
                \x20 - {prefix: quay.io, mirrors: [in.example.org:5000/quay]}\n  - {prefix: ghcr.io, location: in.example.org:5000/gh}\n\
                \x20 - {prefix: docker.io, mirrors: [in.example.org]}\n";
    let (settings, said) = load(&[(text, true)]);
    assert_eq!(said, "");
    let all = with_what_is_said_of_places(&settings.registries);
    assert!(all[1].mirrors[0].insecure && all[2].insecure && !all[1].insecure);
    assert_eq!(all[2].authorities, [PathBuf::from("/etc/kapok/x.pem")]);
    assert!(!all[3].mirrors[0].insecure);
}
