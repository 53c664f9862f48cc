//! A client's options: registries of the settings, proxies and certificates of the machine.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use registry::client::config::RegistryConfig;
use registry::client::{Options, ProxyChooser, authorities};

use crate::environment::Environment;
use crate::fetch::proxy::{Proxies, Route};
use crate::fetch::trust;
use crate::fetch::url::Url;
use crate::settings::registries::with_what_is_said_of_places;

/// A proxy that nobody has (RFC 2606), for what may not go past a proxy that we cannot speak to.
const NO_PROXY_THAT_WE_KNOW: &str = "http://the-proxy-is-of-an-unknown-kind.invalid:1";

/// Everything but the credentials.
pub fn of(environment: &Environment, registries: &[RegistryConfig]) -> Options {
    let pem = trust::Sources::of(environment).pem();
    Options {
        registries: with_what_is_said_of_places(registries),
        // A machine without authorities trusts nobody.
        authorities: authorities(&pem, "the machine").unwrap_or_default(),
        certificate_directories: certificate_directories(environment),
        proxy: Some(proxy(environment)),
        ..Options::default()
    }
}

/// Where Docker, Podman and Kapok look for a directory per registry.
fn certificate_directories(environment: &Environment) -> Vec<PathBuf> {
    let machine = ["/etc/kapok/certs.d", "/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from);
    let user = environment.config_directory().into_iter().flat_map(|directory| {
        ["kapok", "containers", "docker"].map(|program| directory.join(program).join("certs.d"))
    });
    user.chain(machine).collect()
}

/// The proxies of the environment. None for this machine itself, as Docker has it.
pub fn proxy(environment: &Environment) -> ProxyChooser {
    let proxies = Proxies::of(environment);
    Arc::new(move |text| {
        let url = Url::parse(text).ok()?;
        match proxies.route(&url) {
            _ if is_this_machine(url.host()) => None,
            Route::Direct => None,
            Route::Http(server) | Route::Connect(server) => {
                Some(server.http_url().unwrap_or(NO_PROXY_THAT_WE_KNOW).to_owned())
            }
        }
    })
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_the_environments() {
        let variables =
            [("https_proxy", "user:secret@proxy.example.org:3128"), ("no_proxy", "in.example.org")];
        let choose = proxy(&Environment::of(&variables, false));
        let by = Some("http://user:secret@proxy.example.org:3128".to_owned());
        assert_eq!(choose("https://quay.io/v2/"), by);
        assert_eq!(choose("http://quay.io/v2/"), None);
        for direct in [
            "https://in.example.org/",
            "https://127.0.0.1:5000/",
            "https://localhost:5000/v2/",
            "https://[::1]/",
        ] {
            assert_eq!(choose(direct), None, "{direct}");
        }
        let socks = proxy(&Environment::of(&[("ALL_PROXY", "socks5://proxy.example.org")], false));
        assert_eq!(socks("https://quay.io/v2/").as_deref(), Some(NO_PROXY_THAT_WE_KNOW));
    }

    #[test]
    fn the_user_comes_before_the_machine() {
        let directories = certificate_directories(&Environment::of(&[("HOME", "/home/ada")], false));
        assert_eq!(directories.first(), Some(&PathBuf::from("/home/ada/.config/kapok/certs.d")));
        assert!(directories.contains(&PathBuf::from("/etc/docker/certs.d")));
    }
}
