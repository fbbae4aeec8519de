//! The trials that count against a limit, as the audit trail has them.

use chrono::{DateTime, Utc};
use padan_domain::{ClientName, NationalId};

use crate::{error::StoreError, store::Store};

/// Selects the latest events of a time.
#[derive(Debug, Clone, Copy)]
pub struct EventWindow {
    /// Only later events are selected.
    pub since: DateTime<Utc>,
    /// At most so many events are selected; 0 selects none and costs nothing.
    pub most: u32,
}

/// Selects the trials of a person.
#[derive(Debug, Clone)]
pub struct TrialQuery {
    /// The person.
    pub nik: NationalId,
    /// The client.
    pub client: ClientName,
    /// Faces of the client that failed for the person.
    pub failed_faces: EventWindow,
    /// Faces of all clients that failed for the person.
    pub failed_faces_of_person: EventWindow,
    /// Faces of all clients that were compared for the person.
    pub compared_faces_of_person: EventWindow,
    /// Requests of the client with a wrong field of the person, or with an unknown NIK.
    pub failed_fields: EventWindow,
}

/// The times of the selected trials, each list from the latest on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrialHistory {
    /// Faces of the client that failed. A face below the pass mark counts even when another field was wrong, since the
    /// answer may have had its percentage. A selfie that was refused as a suspected presentation attack counts as well.
    pub failed_faces: Vec<DateTime<Utc>>,
    /// Faces of all clients that failed.
    pub failed_faces_of_person: Vec<DateTime<Utc>>,
    /// Faces of all clients that were compared.
    pub compared_faces_of_person: Vec<DateTime<Utc>>,
    /// Requests of the client with a wrong field or an unknown NIK.
    pub failed_fields: Vec<DateTime<Utc>>,
}

/// How many requests of a client had a wrong field or an unknown NIK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientFailures {
    /// The number, at most that of the window.
    pub count: u32,
    /// The time of the earliest one that was counted.
    pub earliest: Option<DateTime<Utc>>,
}

impl Store {
    /// The trials of a person.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn trial_history(&self, trials: &TrialQuery) -> Result<TrialHistory, StoreError> {
        // Trials from before a rotation were recorded under a former key.
        let person = self.0.person_keys()?.all_of(&trials.nik)?;
        let mut history = TrialHistory::default();
        for TrialRow { list, at } in self.trials(&person, trials).await? {
            match list {
                0 => history.failed_faces.push(at),
                1 => history.failed_faces_of_person.push(at),
                2 => history.compared_faces_of_person.push(at),
                _ => history.failed_fields.push(at),
            }
        }
        for (list, window) in [
            (&mut history.failed_faces, trials.failed_faces),
            (&mut history.failed_faces_of_person, trials.failed_faces_of_person),
            (&mut history.compared_faces_of_person, trials.compared_faces_of_person),
            (&mut history.failed_fields, trials.failed_fields),
        ] {
            list.sort_unstable_by(|one, other| other.cmp(one));
            // The latest under each key were selected.
            list.truncate(window.most as usize);
        }
        Ok(history)
    }

    async fn trials(&self, person: &[Vec<u8>], trials: &TrialQuery) -> Result<Vec<TrialRow>, StoreError> {
        let query = || {
            sqlx::query_as!(
                TrialRow,
                r#"SELECT list AS "list!", at AS "at!"
                     FROM store.person_trials($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"#,
                person,
                trials.client.as_str(),
                trials.failed_faces.since,
                i64::from(trials.failed_faces.most),
                trials.failed_faces_of_person.since,
                i64::from(trials.failed_faces_of_person.most),
                trials.compared_faces_of_person.since,
                i64::from(trials.compared_faces_of_person.most),
                trials.failed_fields.since,
                i64::from(trials.failed_fields.most)
            )
        };
        Ok(self.0.pool().fetch_all(query).await?)
    }

    /// How many requests of a client had a wrong field or an unknown NIK, whoever they were about, in two windows.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn client_failures(
        &self,
        client: &ClientName,
        windows: [EventWindow; 2],
    ) -> Result<[ClientFailures; 2], StoreError> {
        let [short, long] = windows;
        let query = || {
            sqlx::query_as!(
                FailuresRow,
                r#"SELECT short.count AS "short!", short.earliest AS short_earliest,
                          long.count AS "long!", long.earliest AS long_earliest
                     FROM (SELECT count(*) AS count, min(at) AS earliest
                             FROM (SELECT at FROM store.audit_event
                                    WHERE client = $1 AND at > $2 AND NOT sandbox
                                      AND fields LIKE '%:false%' AND kind = 'request'
                                    ORDER BY at DESC LIMIT $3) AS latest) AS short,
                          (SELECT count(*) AS count, min(at) AS earliest
                             FROM (SELECT at FROM store.audit_event
                                    WHERE client = $1 AND at > $4 AND NOT sandbox
                                      AND fields LIKE '%:false%' AND kind = 'request'
                                    ORDER BY at DESC LIMIT $5) AS latest) AS long"#,
                client.as_str(),
                short.since,
                i64::from(short.most),
                long.since,
                i64::from(long.most)
            )
        };
        let FailuresRow { short, short_earliest, long, long_earliest } =
            self.0.pool().fetch_one(query).await?;
        let counted = |count: i64, earliest| ClientFailures {
            count: u32::try_from(count).unwrap_or(u32::MAX),
            earliest,
        };
        Ok([counted(short, short_earliest), counted(long, long_earliest)])
    }
}

struct TrialRow {
    list: i32,
    at: DateTime<Utc>,
}

struct FailuresRow {
    short: i64,
    short_earliest: Option<DateTime<Utc>>,
    long: i64,
    long_earliest: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use padan_domain::{Percentage, ReasonCode};

    /// The statements have the conditions of the partial indexes as literals, since PostgreSQL does not use a partial
    /// index for a bound parameter.
    #[test]
    fn the_statements_have_the_conditions_of_their_indexes() {
        let of_person = include_str!("../../../migrations/store/0033_person_trials.sql");
        let failed_face =
            format!("percentage < {} AND contract_id IS NOT NULL", Percentage::PASS_MARK.value());
        let refused = format!("reason = '{}'", ReasonCode::SpoofSuspected.as_str());
        for condition in [failed_face, refused] {
            assert_eq!(of_person.matches(&format!("WHERE {condition};")).count(), 1);
            assert_eq!(of_person.matches(&format!("AND {condition}\n")).count(), 2);
        }
        let failed_field = "fields LIKE '%:false%' AND kind = 'request'";
        let index = include_str!("../../../migrations/store/0013_trials.sql");
        assert_eq!(index.matches(&format!("WHERE {failed_field};")).count(), 2);
        assert_eq!(of_person.matches(&format!("AND {failed_field}\n")).count(), 1);
        assert_eq!(include_str!("trial_history.rs").matches(&format!("AND {failed_field}\n")).count(), 2);
    }
}
