//! Compares the privileges of the role with those of `padan_service`.

use crate::{error::StoreError, store::Store};

impl Store {
    /// The privileges of the role that the service does not need, as texts for an operator. Writes nothing.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn excess_privileges(&self) -> Result<Vec<String>, StoreError> {
        let query = || {
            sqlx::query_scalar!(
                r#"SELECT CASE WHEN role.rolsuper THEN ARRAY['is a superuser'] ELSE array_remove(ARRAY[
                              CASE WHEN role.rolcreaterole OR role.rolcreatedb THEN 'may create roles or databases' END,
                              CASE WHEN EXISTS (SELECT FROM pg_class
                                                 WHERE relnamespace = 'store'::regnamespace
                                                   AND pg_has_role(relowner, 'USAGE'))
                                   THEN 'owns the tables' END
                          ], NULL) END AS "excess!"
                     FROM pg_roles AS role
                    WHERE role.rolname = current_user"#
            )
        };
        let mut excess = self.0.pool().fetch_one(query).await?;
        // A superuser has all privileges, so a list of them adds nothing.
        if excess.first().is_none_or(|first| first != SUPERUSER) {
            excess.extend(self.privileges_beyond_service().await?);
        }
        Ok(excess)
    }

    /// All privileges on objects of the schema that `padan_service` lacks. Objects that the role owns are left out.
    async fn privileges_beyond_service(&self) -> Result<Vec<String>, StoreError> {
        let query = || {
            sqlx::query_scalar!(
                r#"WITH kept AS (
                       SELECT oid, relkind, 'store.' || relname AS name
                         FROM pg_class
                        WHERE relnamespace = 'store'::regnamespace
                          AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
                          AND NOT pg_has_role(relowner, 'USAGE')
                   ), beyond AS (
                       SELECT name, privilege
                         FROM kept, unnest(ARRAY['DELETE', 'TRUNCATE', 'TRIGGER']) AS privilege
                        WHERE relkind <> 'S'
                          AND has_table_privilege(oid, privilege)
                          AND NOT has_table_privilege('padan_service'::name, oid, privilege)
                       UNION
                       SELECT name, privilege
                         FROM kept
                         JOIN pg_attribute ON attrelid = oid AND attnum > 0 AND NOT attisdropped,
                              unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS privilege
                        WHERE relkind <> 'S'
                          AND has_column_privilege(oid, attnum, privilege)
                          AND NOT has_column_privilege('padan_service'::name, oid, attnum, privilege)
                       UNION
                       SELECT name, privilege
                         FROM kept, unnest(ARRAY['USAGE', 'SELECT', 'UPDATE']) AS privilege
                        WHERE CASE WHEN relkind = 'S'
                                   THEN has_sequence_privilege(oid, privilege)
                                        AND NOT has_sequence_privilege('padan_service'::name, oid, privilege)
                                   ELSE false END
                       UNION
                       SELECT 'store.' || proname, 'EXECUTE'
                         FROM pg_proc
                        WHERE pronamespace = 'store'::regnamespace
                          AND NOT pg_has_role(proowner, 'USAGE')
                          AND has_function_privilege(oid, 'EXECUTE')
                          AND NOT has_function_privilege('padan_service'::name, oid, 'EXECUTE')
                       UNION
                       SELECT 'the schema store', 'CREATE'
                        WHERE has_schema_privilege('store', 'CREATE')
                          AND NOT has_schema_privilege('padan_service'::name, 'store', 'CREATE')
                   )
                   SELECT 'may ' || string_agg(privilege, ', ' ORDER BY privilege) || ' on ' || name AS "excess!"
                     FROM beyond
                    GROUP BY name
                    ORDER BY name"#
            )
        };
        Ok(self.0.pool().fetch_all(query).await?)
    }
}

const SUPERUSER: &str = "is a superuser";
