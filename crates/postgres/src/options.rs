use std::{net::IpAddr, path::PathBuf, str::FromStr as _};

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::hosts::Hosts;

/// The options that all connections share: those of the URL, and the application's name.
///
/// Beyond this machine the server must prove who it is, because everybody in between could otherwise read and change
/// what is sent, passwords and portraits included. `section` is the section of the settings whose `allow_plaintext` is
/// given; the error names it.
///
/// # Errors
///
/// When the URL cannot be parsed, names several hosts, or leads beyond this machine without a mode of TLS that checks
/// the server's certificate. The text contains no credentials.
pub fn connect_options(url: &str, section: &str, allow_plaintext: bool) -> Result<PgConnectOptions, String> {
    let Hosts { urls, .. } = Hosts::of(url)?;
    match urls.as_slice() {
        [_] => options_of(url, section, allow_plaintext),
        _ => Err("one URL names several hosts: write a URL for each replica (docs/failover.md)".to_owned()),
    }
}

/// As [`connect_options`], for a URL with one host.
pub(crate) fn options_of(
    url: &str,
    section: &str,
    allow_plaintext: bool,
) -> Result<PgConnectOptions, String> {
    let options = PgConnectOptions::from_str(url).map_err(|error| error.to_string())?;
    let options = normalised(options)?;
    if is_remote(&options) && !allow_plaintext && !checks_certificate(options.get_ssl_mode()) {
        return Err(format!(
            "{} is beyond this machine: add sslmode=verify-full to its URL (and sslrootcert=FILE if a certificate \
             authority of your own signs it), or set {section}.allow_plaintext = true where the network itself is \
             protected",
            display_name(&options)
        ));
    }
    Ok(options.application_name("padan"))
}

/// Replaces what the driver would use literally: brackets around an IPv6 address, and a mode of TLS for a socket, on
/// which PostgreSQL has no TLS.
fn normalised(options: PgConnectOptions) -> Result<PgConnectOptions, String> {
    if socket_folder(&options).is_some() {
        return Ok(options.ssl_mode(PgSslMode::Disable));
    }
    let host = options.get_host().to_owned();
    if host.contains(',') {
        return Err("several hosts are only possible in the URL itself, not in PGHOST".to_owned());
    }
    Ok(match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => options.host(address),
        None => options,
    })
}

/// Whether connections leave this machine. What decides is what the driver connects to, wherever it comes from: the
/// URL's host, its parameters `host` and `hostaddr`, or the environment (PGHOST, PGHOSTADDR).
///
/// Of all names, only `localhost` stands for this machine. The address of any other name can change while the service
/// runs.
pub(crate) fn is_remote(options: &PgConnectOptions) -> bool {
    if socket_folder(options).is_some() {
        return false;
    }
    let host = options.get_host();
    match host.parse::<IpAddr>() {
        Ok(address) => !address.to_canonical().is_loopback(),
        Err(_) => !host.strip_suffix('.').unwrap_or(host).eq_ignore_ascii_case("localhost"),
    }
}

/// The folder of the server's socket; `None` for a connection over TCP.
pub(crate) fn socket_folder(options: &PgConnectOptions) -> Option<PathBuf> {
    let host = options.get_host();
    options.get_socket().cloned().or_else(|| host.starts_with('/').then(|| host.into()))
}

/// Whether the driver refuses a server whose certificate no known authority has signed. `require` only encrypts, also
/// for an impostor.
fn checks_certificate(mode: PgSslMode) -> bool {
    match mode {
        PgSslMode::VerifyCa | PgSslMode::VerifyFull => true,
        PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer | PgSslMode::Require => false,
    }
}

/// `host:port/database`, without credentials.
pub(crate) fn display_name(options: &PgConnectOptions) -> String {
    let host = match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None if options.get_host().contains(':') => format!("[{}]", options.get_host()),
        None => options.get_host().to_owned(),
    };
    let database = options.get_database().unwrap_or_default();
    format!("{host}:{}/{database}", options.get_port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Result<PgConnectOptions, String> {
        connect_options(url, "store", false)
    }

    #[test]
    fn a_server_beyond_this_machine_must_show_a_certificate_that_is_checked() {
        for host in [
            "db.example",
            "10.0.0.5:5433",
            "[fd00::5]",
            "0.0.0.0",
            "[::]",
            "127.1",
            "localhost.example",
            "localhost..",
            "%6Cocalhost",
            "127.0.0.1.example",
            // What is before the @ is a user.
            "127.0.0.1@db.example",
            "localhost:x@db.example",
        ] {
            for mode in ["", "?sslmode=disable", "?sslmode=allow", "?sslmode=prefer", "?sslmode=require"] {
                let refusal = of(&format!("postgres://{host}/d{mode}")).unwrap_err();
                assert!(refusal.contains("store.allow_plaintext"), "{host}{mode}: {refusal}");
            }
            for mode in ["verify-ca", "verify-full"] {
                of(&format!("postgres://{host}/d?sslmode={mode}")).unwrap();
            }
            connect_options(&format!("postgres://{host}/d"), "store", true).unwrap();
        }
    }

    #[test]
    fn this_machine_needs_no_tls() {
        for host in [
            "localhost",
            "LocalHost",
            "localhost.",
            "127.0.0.1",
            "127.8.8.8:5433",
            "[::1]",
            "[::1]:5433",
            "[::ffff:127.0.0.1]",
            "%2Fvar%2Frun%2Fpostgresql",
        ] {
            of(&format!("postgres://u:p@{host}/d")).unwrap();
        }
    }

    #[test]
    fn parameters_decide_as_they_do_for_the_driver() {
        for remote in [
            "postgres://localhost/d?host=db.example",
            "postgres://localhost/d?hostaddr=10.0.0.5",
            "postgres://127.0.0.1/d?hostaddr=127.0.0.1&host=db.example",
            "postgres://db.example/d?sslmode=verify-full&sslmode=disable",
            // The driver ignores a key in capitals.
            "postgres://db.example/d?SSLMODE=verify-full",
        ] {
            assert!(of(remote).unwrap_err().contains("beyond this machine"), "{remote}");
        }
        for local in [
            "postgres://db.example/d?host=localhost",
            "postgres://db.example/d?hostaddr=127.0.0.1",
            "postgres://db.example/d?hostaddr=::1",
            "postgres:///d?host=/var/run/postgresql",
            "postgres://db.example/d?host=/var/run/postgresql&host=db.example",
        ] {
            of(local).unwrap();
        }
    }

    #[test]
    fn several_hosts_in_one_url_are_refused() {
        for url in ["postgres://localhost,db.example/d", "postgres:///d?host=127.0.0.1,10.0.0.5"] {
            let refusal = connect_options(url, "store", true).unwrap_err();
            assert!(refusal.contains("several hosts"), "{refusal}");
        }
    }

    #[test]
    fn the_refusal_names_the_server_and_no_credentials() {
        let refusal = of("postgres://user:s3cret@db.example/d?password=s3cret").unwrap_err();
        assert!(refusal.starts_with("db.example:5432/d is beyond this machine"), "{refusal}");
        assert!(!refusal.contains("s3cret") && !refusal.contains("user"), "{refusal}");
    }

    #[test]
    fn brackets_are_no_part_of_an_address() {
        let options = of("postgres://[::1]:5433/d").unwrap();
        assert_eq!((options.get_host(), display_name(&options).as_str()), ("::1", "[::1]:5433/d"));
    }

    #[test]
    fn a_socket_has_no_tls() {
        let options = of("postgres:///d?host=/tmp&sslmode=verify-full").unwrap();
        assert!(matches!(options.get_ssl_mode(), PgSslMode::Disable));
        assert!(!is_remote(&options));
    }
}
