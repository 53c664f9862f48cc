//! `RUN --mount`.

use super::{check, check_errors, good};
use crate::{InstructionKind, MountKind, Owner, ResolvedMount, Sharing, expand};

/// Resolves the mount of a RUN with variables `T`, `N` and an empty `E`.
#[track_caller]
fn resolve(mount: &str) -> Result<ResolvedMount, String> {
    let file = good(&format!("FROM scratch\nRUN --mount={mount} a\n"));
    let InstructionKind::Run(run) = &file.stages[0].instructions[0].kind else { panic!("{mount}") };
    let lookup = |name: &str| match name {
        "T" => Some("cache".to_owned()),
        "N" => Some("7".to_owned()),
        "E" => Some(String::new()),
        _ => None,
    };
    run.mounts[0].resolve(|value| expand::word(value, '\\', &lookup)).map_err(|found| found.message)
}

#[track_caller]
fn check_mount(mount: &str, target: &str, read_only: bool, kind: MountKind) {
    assert_eq!(resolve(mount), Ok(ResolvedMount { target: target.to_owned(), read_only, kind }), "{mount}");
}

fn bind(from: Option<&str>, source: &str) -> MountKind {
    MountKind::Bind { from: from.map(str::to_owned), source: source.to_owned() }
}

#[test]
fn bind_mounts() {
    check_mount("target=/a", "/a", true, bind(None, ""));
    check_mount("type=bind,target=/a", "/a", true, bind(None, ""));
    check_mount("type=bind,dst=/a,src=b", "/a", true, bind(None, "b"));
    check_mount("destination=a,source=/b,from=img:1", "a", true, bind(Some("img:1"), "/b"));
    check_mount("target=/a,rw", "/a", false, bind(None, ""));
    check_mount("target=/a,readwrite", "/a", false, bind(None, ""));
    check_mount("target=/a,rw=true", "/a", false, bind(None, ""));
    check_mount("target=/a,rw=false", "/a", true, bind(None, ""));
    check_mount("target=/a,ro=false", "/a", false, bind(None, ""));
    check_mount("target=/a,readonly=0", "/a", false, bind(None, ""));
    check_mount("target=/a,ro", "/a", true, bind(None, ""));
    check_mount("target=/a,rw,ro", "/a", true, bind(None, ""));
    check_mount("TYPE=Bind,Target=/a", "/a", true, bind(None, ""));
    check_mount("target=/$N/$E/${X:-x}", "/7//x", true, bind(None, ""));
    check_mount("'target=/a b',source=c", "/a b", true, bind(None, "c"));
    check_mount("\\\"target=/a,b\\\",source=c", "/a,b", true, bind(None, "c"));
    check_mount("target=/a,target=/b", "/b", true, bind(None, ""));
    check_mount("source=b", "", true, bind(None, "b"));
}

#[test]
fn cache_mounts() {
    let cache = |id: Option<&str>, sharing, owner| MountKind::Cache {
        id: id.map(str::to_owned),
        from: None,
        source: String::new(),
        sharing,
        owner,
    };
    let nobody = Owner::default();
    check_mount("type=cache,target=/a", "/a", false, cache(None, Sharing::Shared, nobody));
    check_mount("type=cache,target=/a,ro", "/a", true, cache(None, Sharing::Shared, nobody));
    check_mount(
        "type=cache,id=x,target=/a,sharing=locked",
        "/a",
        false,
        cache(Some("x"), Sharing::Locked, nobody),
    );
    check_mount("type=cache,target=/a,sharing=PRIVATE", "/a", false, cache(None, Sharing::Private, nobody));
    check_mount("type=$T,target=/a,id=$N", "/a", false, cache(Some("7"), Sharing::Shared, nobody));
    let owner = Owner { mode: Some(0o700), uid: Some(1), gid: Some(2) };
    check_mount(
        "type=cache,target=/a,mode=0700,uid=1,gid=2",
        "/a",
        false,
        cache(None, Sharing::Shared, owner),
    );
    let from = MountKind::Cache {
        id: None,
        from: Some("base".to_owned()),
        source: "/b".to_owned(),
        sharing: Sharing::Shared,
        owner: Owner { uid: Some(7), ..nobody },
    };
    check_mount("type=cache,target=/a,from=base,source=/b,uid=$N", "/a", false, from);
}

#[test]
fn tmpfs_mounts() {
    check_mount("type=tmpfs,target=/a", "/a", false, MountKind::Tmpfs { size: 0 });
    check_mount("type=tmpfs,target=/a,size=64m", "/a", false, MountKind::Tmpfs { size: 64 << 20 });
    check_mount("type=tmpfs,target=/a,ro", "/a", true, MountKind::Tmpfs { size: 0 });
}

#[test]
fn secrets() {
    let secret = |id: &str, env: Option<&str>, required, owner| MountKind::Secret {
        id: id.to_owned(),
        env: env.map(str::to_owned),
        required,
        owner,
    };
    let nobody = Owner::default();
    check_mount("type=secret,id=a", "", true, secret("a", None, false, nobody));
    check_mount("type=secret,source=a", "", true, secret("a", None, false, nobody));
    check_mount("type=secret,target=/x/b", "/x/b", true, secret("b", None, false, nobody));
    check_mount("type=secret,id=a,required", "", true, secret("a", None, true, nobody));
    check_mount("type=secret,id=a,required=true", "", true, secret("a", None, true, nobody));
    check_mount("type=secret,id=a,required=false", "", true, secret("a", None, false, nobody));
    check_mount("type=secret,id=a,env=TOKEN", "", true, secret("a", Some("TOKEN"), false, nobody));
    check_mount("type=secret,id=a,env=B,dst=/c", "/c", true, secret("a", Some("B"), false, nobody));
    let owner = Owner { mode: Some(0o444), uid: Some(10), gid: None };
    check_mount("type=secret,id=a,mode=444,uid=10", "", true, secret("a", None, false, owner));
}

#[test]
fn ssh() {
    let ssh = |id: &str, required| MountKind::Ssh { id: id.to_owned(), required, owner: Owner::default() };
    check_mount("type=ssh", "", true, ssh("default", false));
    check_mount("type=ssh,id=a,required", "", true, ssh("a", true));
    check_mount("type=ssh,target=/s", "/s", true, ssh("default", false));
}

#[test]
fn mistakes_that_the_text_shows() {
    check_errors(&[
        ("RUN --mount=type=cahce,target=/a b", "invalid value `cahce` for `type` of a mount", "cahce"),
        ("RUN --mount=typ=cache b", "unknown key `typ` of a mount", "typ"),
        ("RUN --mount=type=cache,tgt=/a b", "unknown key `tgt` of a mount", "tgt"),
        ("RUN --mount=target b", "key `target` of a mount needs a value", "target"),
        ("RUN --mount=/a b", "unknown key `/a` of a mount", "/a"),
        ("RUN --mount= b", "a mount needs at least a target", "--mount="),
        ("RUN --mount=target=/a, b", "unknown key `` of a mount", ""),
        ("RUN --mount=target=/a,rw=maybe b", "invalid value `maybe` for `rw` of a mount", "maybe"),
        ("RUN --mount=target=/a,size=1m b", "a mount of type bind has no key `size`", "size"),
        ("RUN --mount=size=1m,type=tmpfs,target=/a b", "a mount of type bind has no key `size`", "size"),
        ("RUN --mount=type=tmpfs,target=/a,size=x b", "invalid value `x` for `size` of a mount", "x"),
        ("RUN --mount=target=/a,required b", "a mount of type bind has no key `required`", "required"),
        ("RUN --mount=target=/a,uid=1 b", "a mount of type bind has no key `uid`", "target=/a,uid=1"),
        (
            "RUN --mount=type=tmpfs,target=/a,mode=1 b",
            "a mount of type tmpfs has no key `mode`",
            "type=tmpfs,target=/a,mode=1",
        ),
        ("RUN --mount=type=cache,target=/a,uid=x b", "invalid value `x` for `uid` of a mount", "x"),
        ("RUN --mount=type=cache,target=/a,mode=9 b", "invalid value `9` for `mode` of a mount", "9"),
        (
            "RUN --mount=type=cache,target=/a,sharing=all b",
            "invalid value `all` for `sharing` of a mount",
            "all",
        ),
        (
            "RUN --mount=target=/a,sharing=shared b",
            "a mount of type bind has no key `sharing`",
            "target=/a,sharing=shared",
        ),
        ("RUN --mount=type=secret b", "a secret needs an id, or a target", "type=secret"),
        (
            "RUN --mount=type=secret,id=a,source=b b",
            "a secret has either `source` or `id`",
            "type=secret,id=a,source=b",
        ),
        (
            "RUN --mount=type=secret,id=a,from=b b",
            "a mount of type secret has no key `from`",
            "type=secret,id=a,from=b",
        ),
        ("RUN --mount=type=ssh,source=b b", "a mount of type ssh has no key `source`", "type=ssh,source=b"),
        ("RUN --mount=from=$X,target=/a b", "variables are not expanded in `from`", "$X"),
        ("RUN --mount=target=/a\\\"b b", "a double quote within a field of a mount", "target=/a\\\"b"),
        (
            "RUN --mount=type=cache,target='/a b',uid=x b",
            "invalid value `x` for `uid` of a mount",
            "type=cache,target='/a b',uid=x",
        ),
    ]);
}

#[test]
fn mistakes_that_variables_hide() {
    assert_eq!(resolve("type=$N,target=/a"), Err("invalid value `7` for `type` of a mount".to_owned()));
    assert_eq!(resolve("type=${T,target=/a"), Err("missing `}` in substitution".to_owned()));
    assert_eq!(resolve("type=secret,id=$E"), Err("a secret needs an id, or a target".to_owned()));
    assert_eq!(resolve("target=/a,ro=$N"), Err("invalid value `7` for `ro` of a mount".to_owned()));
}

#[test]
fn several_mounts() {
    check(&[(
        "RUN --mount=type=ssh --mount=type=cache,target=/a,id=b \\\n  --mount=target=c,rw d",
        r#"RUN sh "d" mount(type=ssh) mount(type=cache target=/a id=b) mount(target=c rw)"#,
    )]);
}
