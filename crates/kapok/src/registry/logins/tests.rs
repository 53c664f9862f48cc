//! Where credentials are looked for, kept and forgotten.

use super::*;

fn logins(variables: &[(&str, &str)]) -> Logins {
    Logins::of(&Environment::of(variables, false))
}

fn password(user: &str, password: &str) -> Credentials {
    Credentials::Password { user: user.to_owned(), password: password.to_owned() }
}

#[test]
fn the_files_of_docker_and_podman() {
    let files = |variables: &[(&str, &str)]| -> Vec<String> {
        logins(variables).files.iter().map(|path| path.display().to_string()).collect()
    };
    let home = ("HOME", "/home/ada");
    assert_eq!(files(&[home]), ["/home/ada/.docker/config.json", "/home/ada/.config/containers/auth.json"]);
    assert_eq!(
        files(&[home, ("DOCKER_CONFIG", "conf"), ("XDG_RUNTIME_DIR", "/run/user/7")]),
        [
            "/work/conf/config.json",
            "/run/user/7/containers/auth.json",
            "/home/ada/.config/containers/auth.json"
        ]
    );
    assert_eq!(files(&[home, ("REGISTRY_AUTH_FILE", "/auth.json")]), ["/auth.json"]);
    assert_eq!(files(&[]), [""; 0]);
}

#[test]
fn what_is_kept_is_found_and_forgotten() {
    let directory = tempfile::tempdir().expect("a directory");
    let docker = directory.path().join("docker");
    let home = docker.display().to_string();
    let variables = [("DOCKER_CONFIG", home.as_str())];
    let place = logins(&variables).store("a.example.org", &password("ada", "secret")).expect("it is kept");
    let file = docker.join("config.json");
    assert_eq!(place, Place::File(file.clone()));
    let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(&docker)), (0o600, 0o700));
    let find = || logins(&variables).credentials("a.example.org", "x").expect("it is read");
    assert_eq!(find(), Some(password("ada", "secret")));
    assert!(logins(&variables).erase("a.example.org").expect("it is forgotten"));
    assert!(!logins(&variables).erase("a.example.org").expect("nothing to forget"));
    assert_eq!(find(), None);
}

#[test]
fn what_stands_beside_credentials_stays_and_a_link_stays_a_link() {
    let directory = tempfile::tempdir().expect("a directory");
    let (real, link) = (directory.path().join("real.json"), directory.path().join("config.json"));
    std::fs::write(&real, r#"{"psFormat":"x"}"#).expect("it is written");
    std::os::unix::fs::symlink(&real, &link).expect("it is linked");
    let home = directory.path().display().to_string();
    logins(&[("DOCKER_CONFIG", &home)]).store("a.example.org", &password("a", "b")).expect("it is kept");
    assert!(std::fs::read_to_string(&real).expect("it is read").contains("psFormat"));
    assert!(link.is_symlink());
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("auth.json");
    std::fs::write(&file, "{").expect("it is written");
    let file = file.display().to_string();
    let found = logins(&[("REGISTRY_AUTH_FILE", &file)]).credentials("a.example.org", "x");
    assert!(found.expect_err("it is none").to_string().contains(&file));
}

#[test]
fn credentials_may_come_by_the_environment() {
    let text = r#"{"auths":{"a.example.org":{"auth":"YWRhOnNlY3JldA=="}}}"#;
    let found = logins(&[("DOCKER_AUTH_CONFIG", text)]).credentials("a.example.org", "x");
    assert_eq!(found.expect("it is read"), Some(password("ada", "secret")));
}
