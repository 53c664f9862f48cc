//! What the small languages inside flags accept and refuse.

use super::*;

#[track_caller]
fn check<T: FromStr<Err = FormError> + std::fmt::Debug>(text: &str, expected: &str) {
    let actual = match text.parse::<T>() {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("error: {error}"),
    };
    assert_eq!(actual, expected, "for `{text}`");
}

#[test]
fn sizes_have_binary_units() {
    for (text, bytes) in [
        ("0", 0),
        ("4096", 4096),
        ("512m", 512 << 20),
        ("1.5g", 3 << 29),
        ("2GiB", 2 << 30),
        ("10kb", 10 << 10),
    ] {
        assert_eq!(text.parse(), Ok(Size(bytes)), "for `{text}`");
    }
    for text in ["", "m", "-1", "1x", "1e9", "99999999999999999999t", ".", "12 parsecs"] {
        assert!(text.parse::<Size>().is_err(), "`{text}` was taken for a size");
    }
}

#[test]
fn secrets_have_dockers_forms() {
    check::<SecretFlag>("id=a,src=/f", r#"SecretFlag { id: "a", from: File("/f") }"#);
    check::<SecretFlag>("type=file,id=a,source=/f", r#"SecretFlag { id: "a", from: File("/f") }"#);
    check::<SecretFlag>("id=a,env=B", r#"SecretFlag { id: "a", from: Variable("B") }"#);
    check::<SecretFlag>("id=a,type=env,src=B", r#"SecretFlag { id: "a", from: Variable("B") }"#);
    check::<SecretFlag>("id=a,type=env", r#"SecretFlag { id: "a", from: Variable("a") }"#);
    check::<SecretFlag>("id=a", r#"SecretFlag { id: "a", from: Unsaid }"#);
    check::<SecretFlag>(r#"id=a,"src=/f,g""#, r#"SecretFlag { id: "a", from: File("/f,g") }"#);
    check::<SecretFlag>("id=a,src=/f,env=B", "error: `src` and `env` exclude each other");
    check::<SecretFlag>("src=/f", "error: a secret needs an id: `id=ID,src=FILE` or `id=ID,env=VARIABLE`");
    check::<SecretFlag>("a", "error: expected `key=value`, found `a`");
    check::<SecretFlag>("id=a,to=b", "error: unknown key `to`; a secret has `id`, `type`, `src` and `env`");
}

#[test]
fn an_agent_is_a_socket_or_keys() {
    check::<SshFlag>("default", r#"SshFlag { id: "default", paths: [] }"#);
    check::<SshFlag>("a=", r#"SshFlag { id: "a", paths: [] }"#);
    check::<SshFlag>("a=/run/agent", r#"SshFlag { id: "a", paths: ["/run/agent"] }"#);
    check::<SshFlag>("a=one,two", r#"SshFlag { id: "a", paths: ["one", "two"] }"#);
    check::<SshFlag>("=x", "error: expected `default`, `ID`, `ID=SOCKET` or `ID=KEYFILE,KEYFILE`");
}

#[test]
fn outputs_have_dockers_short_forms() {
    let output = |text: &str| text.parse::<OutputFlag>().map(|output| (output.kind, output.destination));
    assert_eq!(output("-"), Ok((OutputKind::Tar, Some(Destination::Stdout))));
    assert_eq!(output("out"), Ok((OutputKind::Local, Some(Destination::Path("out".into())))));
    assert_eq!(output("type=oci,dest=x.tar"), Ok((OutputKind::Oci, Some(Destination::Path("x.tar".into())))));
    assert_eq!(output("type=docker"), Ok((OutputKind::Docker, Some(Destination::Stdout))));
    assert_eq!(output("type=tar,dest=-"), Ok((OutputKind::Tar, Some(Destination::Stdout))));
    assert!(output("type=local").is_err());
    assert!(output("type=oci,tar=false,dest=-").is_err());
    assert!(output("type=zip,dest=x").is_err());
    assert!(output("dest=x").is_err());
}

#[test]
fn an_output_may_say_how_layers_are_compressed() {
    use crate::cli::build::CompressionFlag;
    let compression = |text: &str| text.parse::<OutputFlag>().map(|output| output.compression);
    assert_eq!(compression("type=oci,dest=x"), Ok(None));
    assert_eq!(compression("type=oci,dest=x,compression=zstd"), Ok(Some(CompressionFlag::Zstd)));
    assert_eq!(compression("type=docker,compression=uncompressed"), Ok(Some(CompressionFlag::None)));
    assert!(compression("type=oci,compression=lzma").is_err());
    assert!(compression("type=tar,compression=gzip").is_err());
}

#[test]
fn an_output_may_be_a_registry() {
    let output =
        |text: &str| text.parse::<OutputFlag>().map(|output| (output.kind, output.push, output.names));
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(output("type=registry"), Ok((OutputKind::Image, true, vec![])));
    assert_eq!(
        output("type=image,\"name=r.example.org/a,r.example.org/b\",push=true"),
        Ok((OutputKind::Image, true, names(&["r.example.org/a", "r.example.org/b"])))
    );
    assert_eq!(output("type=image,name=a"), Ok((OutputKind::Image, false, names(&["a"]))));
    assert!(output("type=oci,dest=x,push=true").is_err() && output("type=image,push=maybe").is_err());
}

#[test]
fn shared_caches_have_buildx_forms() {
    let from = |text: &str| text.parse::<CacheFrom>().map_err(|error| error.to_string());
    let registry = CachePlace::Registry("r.example.org/team/cache:main".to_owned());
    assert_eq!(from("r.example.org/team/cache:main"), Ok(CacheFrom(registry.clone())));
    assert_eq!(from("type=registry,ref=r.example.org/team/cache:main"), Ok(CacheFrom(registry.clone())));
    assert_eq!(from("type=local,src=dir"), Ok(CacheFrom(CachePlace::Local("dir".into()))));
    for bad in ["", "type=registry", "type=local", "type=local,dest=x", "type=registry,ref=a,tag=b"] {
        assert!(from(bad).is_err(), "{bad}");
    }
    assert!(from("type=gha").unwrap_err().contains("`registry` or `local`"));

    let to = |text: &str| text.parse::<CacheTo>().map_err(|error| error.to_string());
    let usual = CacheTo { place: registry.clone(), mode: CacheMode::Min, ignore_error: None };
    assert_eq!(to("type=registry,ref=r.example.org/team/cache:main"), Ok(usual.clone()));
    let all = CacheTo { mode: CacheMode::Max, ignore_error: Some(false), ..usual };
    assert_eq!(to("type=registry,ref=r.example.org/team/cache:main,mode=max,ignore-error=false"), Ok(all));
    assert!(to("type=local,dest=dir,mode=max").is_ok() && to("type=registry,ref=a,mode=most").is_err());
    assert!(to("type=inline").unwrap_err().contains("registry"));
}

#[test]
fn hosts_take_both_separators() {
    check::<HostEntry>("db:10.0.0.1", r#"HostEntry { name: "db", address: 10.0.0.1 }"#);
    check::<HostEntry>("db=10.0.0.1", r#"HostEntry { name: "db", address: 10.0.0.1 }"#);
    check::<HostEntry>("db:::1", r#"HostEntry { name: "db", address: ::1 }"#);
    check::<HostEntry>("db:[::1]", r#"HostEntry { name: "db", address: ::1 }"#);
    check::<HostEntry>("db", "error: expected `NAME:ADDRESS` with an IP address");
    check::<HostEntry>("db:nowhere", "error: expected `NAME:ADDRESS` with an IP address");
}

#[test]
fn volumes_and_steps() {
    check::<VolumeFlag>("/a:/b", r#"VolumeFlag { host: "/a", inside: "/b", read_only: false }"#);
    check::<VolumeFlag>("a:/b:ro", r#"VolumeFlag { host: "a", inside: "/b", read_only: true }"#);
    assert!("/a".parse::<VolumeFlag>().is_err());
    assert!("/a:b".parse::<VolumeFlag>().is_err());
    check::<StepAddress>("app#7", r#"StepAddress { image: "app", step: Some(7) }"#);
    check::<StepAddress>("#7", r#"StepAddress { image: "", step: Some(7) }"#);
    check::<StepAddress>("app", r#"StepAddress { image: "app", step: None }"#);
    assert!("app#seven".parse::<StepAddress>().is_err());
}

#[test]
fn assignments_and_labels() {
    check::<Assignment>("A=b=c", r#"Assignment { name: "A", value: Some("b=c") }"#);
    check::<Assignment>("A", r#"Assignment { name: "A", value: None }"#);
    check::<LabelFlag>("a.b", r#"LabelFlag(Pair { name: "a.b", value: "" })"#);
    assert!("=x".parse::<Assignment>().is_err());
    assert!("x".parse::<Pair>().is_err());
}
