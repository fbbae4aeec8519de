use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;

/// The options that all connections share: those of the URL, the application's name, and TCP keep-alive, by which
/// each side detects that the other is gone.
///
/// # Errors
///
/// When the URL cannot be parsed.
pub fn connect_options(url: &str) -> sqlx::Result<PgConnectOptions> {
    // The server uses the last value of an option, so these override the URL's.
    Ok(PgConnectOptions::from_str(url)?.application_name("padan").options([
        ("tcp_keepalives_idle", "60"),
        ("tcp_keepalives_interval", "10"),
        ("tcp_keepalives_count", "3"),
    ]))
}

/// `host:port/database`, without credentials.
pub(crate) fn display_name(options: &PgConnectOptions) -> String {
    let host = options.get_socket().map_or_else(|| options.get_host().into(), |path| path.to_string_lossy());
    let database = options.get_database().unwrap_or_default();
    format!("{host}:{}/{database}", options.get_port())
}
