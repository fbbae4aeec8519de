use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use padan_http_api::{Config, StatusReport};
use reqwest::{Certificate, Client, StatusCode, Url};

use crate::tls::install_crypto_provider;

/// Longer than the service's own checks of its databases (`verification.readiness_timeout_ms`).
const TIMEOUT: Duration = Duration::from_secs(10);

/// The operators' listener of a process.
pub(super) struct Source {
    client: Client,
    url: Url,
}

impl Source {
    /// The listener of a URL, or else that of the settings.
    pub(super) fn of(config: &Config, url: Option<&str>, ca_file: Option<&Path>) -> Result<Self> {
        let base = match url {
            Some(url) => {
                url.parse().with_context(|| format!("--url {url}: expected such as http://10.1.0.7:9090"))?
            }
            None => listener_of(config)?,
        };
        if !matches!(base.scheme(), "http" | "https") {
            bail!("--url {base}: expected http:// or https://");
        }
        install_crypto_provider();
        // The certificate is for the service's name. On the loopback nobody is in between.
        let any_certificate = url.is_none() && ca_file.is_none() && is_loopback(&base);
        let mut client =
            Client::builder().no_proxy().timeout(TIMEOUT).tls_danger_accept_invalid_certs(any_certificate);
        if let Some(file) = ca_file {
            let pem = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            let trusted = Certificate::from_pem_bundle(&pem)
                .with_context(|| format!("{} has no certificates in PEM", file.display()))?;
            client = client.tls_certs_merge(trusted);
        }
        Ok(Self { client: client.build()?, url: base.join("/status")? })
    }

    /// Asks the process.
    pub(super) async fn report(&self) -> Result<StatusReport> {
        let url = &self.url;
        let asked = self.client.get(url.clone()).send().await;
        let answer = asked.map_err(reqwest::Error::without_url).with_context(|| {
            format!(
                "no service answers at {url}: start it (`padan serve`), or name its operators' listener with --url or \
                 http.admin_port"
            )
        })?;
        match answer.status() {
            StatusCode::OK => answer.json().await.map_err(reqwest::Error::without_url).with_context(|| {
                format!("what answers at {url} is not the operators' listener of this release of Padan")
            }),
            StatusCode::NOT_FOUND => {
                bail!(
                    "{url} is not found: this is the public listener, or a release of Padan without `padan status`"
                )
            }
            status => bail!("{url} answered {status}"),
        }
    }
}

fn listener_of(config: &Config) -> Result<Url> {
    let scheme = if config.tls.admin { "https" } else { "http" };
    let address = match config.admin_address {
        // The service listens on all addresses, of which this is one.
        IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        address => address,
    };
    if config.admin_port == 0 {
        bail!("http.admin_port is 0, so the service takes any free port: name it with --url");
    }
    let authority = std::net::SocketAddr::new(address, config.admin_port);
    Ok(format!("{scheme}://{authority}/").parse()?)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SettingsArguments;

    fn url_with(text: &str) -> Result<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("site.toml");
        fs::write(&file, text).unwrap();
        let settings = SettingsArguments::of_file_alone(&file).unwrap();
        Source::of(&settings.http, None, None).map(|source| source.url.to_string())
    }

    #[test]
    fn the_listener_of_the_settings_is_asked() {
        assert_eq!(url_with("").unwrap(), "http://127.0.0.1:9090/status");
        assert_eq!(
            url_with("[http]\nadmin_address = '0.0.0.0'\nadmin_port = 19\n").unwrap(),
            "http://127.0.0.1:19/status"
        );
        assert_eq!(
            url_with("[http]\nadmin_address = '::'\n[http.tls]\nadmin = true\n").unwrap(),
            "https://[::1]:9090/status"
        );
        assert!(url_with("[http]\nadmin_port = 0\n").unwrap_err().to_string().contains("--url"));
    }

    #[test]
    fn only_the_loopback_is_trusted_with_any_certificate() {
        for (url, expected) in [
            ("https://127.0.0.1:1/", true),
            ("https://[::1]:1/", true),
            ("https://10.1.0.7:1/", false),
            ("https://a/", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), expected, "{url}");
        }
    }
}
