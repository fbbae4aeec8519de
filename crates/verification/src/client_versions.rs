use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use padan_domain::ClientName;
use padan_store::StoredClient;

/// The newest row of each client that this process has seen. An older row that appears later was restored by somebody:
/// its signature is right, and it may have secrets that were revoked.
#[derive(Debug, Default)]
pub(crate) struct ClientVersions(HashMap<ClientName, DateTime<Utc>>);

impl ClientVersions {
    /// Splits the clients of the store into those to trust and the names of those whose older row was restored.
    pub(crate) fn split(&mut self, clients: Vec<StoredClient>) -> (Vec<StoredClient>, Vec<ClientName>) {
        let present: HashSet<_> = clients.iter().map(|client| client.name.clone()).collect();
        // A removed client can be added again, and its removed row cannot return.
        for (_, newest) in self.0.iter_mut().filter(|(name, _)| !present.contains(*name)) {
            *newest += TimeDelta::microseconds(1);
        }
        let (mut trusted, mut older) = (Vec::with_capacity(clients.len()), Vec::new());
        for client in clients {
            let newest = self.0.entry(client.name.clone()).or_insert(client.changed_at);
            if client.changed_at < *newest {
                older.push(client.name);
            } else {
                *newest = client.changed_at;
                trusted.push(client);
            }
        }
        (trusted, older)
    }
}

#[cfg(test)]
mod tests {
    use padan_domain::ClientRules;
    use padan_store::SecretHashes;

    use super::*;

    fn client(name: &str, minute: i64) -> StoredClient {
        let changed_at = DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
        StoredClient {
            name: name.parse().unwrap(),
            username: name.parse().unwrap(),
            password: SecretHashes::new([1; 32]),
            api_key: SecretHashes::new([2; 32]),
            disabled: false,
            is_sandbox: false,
            rules: ClientRules::default(),
            created_at: DateTime::UNIX_EPOCH,
            changed_at,
        }
    }

    fn older(versions: &mut ClientVersions, clients: Vec<StoredClient>) -> Vec<String> {
        versions.split(clients).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_older_row_and_a_removed_one_are_not_trusted() {
        let mut versions = ClientVersions::default();
        let none: [&str; 0] = [];
        assert_eq!(older(&mut versions, vec![client("bank", 1), client("shop", 1)]), none);
        assert_eq!(older(&mut versions, vec![client("bank", 2), client("shop", 1)]), none);
        assert_eq!(older(&mut versions, vec![client("bank", 1), client("shop", 1)]), ["bank"]);
        assert_eq!(older(&mut versions, vec![client("bank", 2)]), none);
        assert_eq!(older(&mut versions, vec![client("bank", 2), client("shop", 1)]), ["shop"]);
        assert_eq!(older(&mut versions, vec![client("bank", 3), client("shop", 3)]), none);
    }
}
