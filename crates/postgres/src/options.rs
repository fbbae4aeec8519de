use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;

/// What all our connections have in common: the URL, and that either side finds out when the other has vanished.
pub fn connect_options(url: &str) -> sqlx::Result<PgConnectOptions> {
    // The last of several values of an option counts, so these win over any that the URL brings.
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
