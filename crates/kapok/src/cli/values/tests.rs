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
