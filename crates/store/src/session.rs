//! What every session with the store has in common: a commit is durable when it is answered.

use futures_util::{FutureExt as _, TryFutureExt as _, future::BoxFuture};
use sqlx::{PgConnection, postgres::PgConnectOptions};

/// Asks for durable commits, whatever the server, the database, the role or the URL says. With synchronous standbys, a
/// commit is then also durable on them.
pub(crate) fn durable(options: PgConnectOptions) -> PgConnectOptions {
    options.options([("synchronous_commit", "on")])
}

/// Checks that the server has applied it. `remote_apply` waits for standbys even longer.
pub(crate) fn confirm(connection: &mut PgConnection) -> BoxFuture<'_, sqlx::Result<Option<&'static str>>> {
    sqlx::query_scalar!(
        r#"SELECT current_setting('synchronous_commit') IN ('on', 'remote_apply') AS "is_durable!""#
    )
    .fetch_one(connection)
    .map_ok(|is_durable| {
        (!is_durable).then_some(
            "the server does not confirm synchronous_commit = on, so that commits could be lost: a pooler in between \
             drops start-up options",
        )
    })
    .boxed()
}
