use std::num::NonZeroU32;

use padan_domain::{CertificateName, ClientRules, Endpoint, GrantedFields, RequestRate, parse_network};

use crate::{clients::row::ClientColumns, error::StoreError};

/// The rules of a client in the types of the columns of `store.client`.
pub(crate) struct RuleColumns {
    pub(crate) networks: Vec<String>,
    pub(crate) certificates: Vec<String>,
    pub(crate) endpoints: Option<Vec<String>>,
    pub(crate) fields: Option<Vec<String>>,
    pub(crate) requests_per_second: Option<f64>,
    pub(crate) burst: Option<i32>,
    pub(crate) daily_quota: Option<i64>,
    pub(crate) monthly_quota: Option<i64>,
}

impl From<&ClientRules> for RuleColumns {
    fn from(rules: &ClientRules) -> Self {
        let names = |endpoints: &Vec<Endpoint>| {
            endpoints.iter().map(|endpoint| endpoint.as_str().to_owned()).collect()
        };
        Self {
            networks: rules.networks.iter().map(|network| network.trunc().to_string()).collect(),
            certificates: rules.certificates.iter().map(ToString::to_string).collect(),
            endpoints: rules.endpoints.as_ref().map(names),
            fields: rules.fields.to_stored(),
            requests_per_second: rules.rate.map(|rate| rate.per_second()),
            burst: rules.rate.and_then(|rate| i32::try_from(rate.burst().get()).ok()),
            daily_quota: rules.daily_quota.map(|quota| quota.get().into()),
            monthly_quota: rules.monthly_quota.map(|quota| quota.get().into()),
        }
    }
}

impl ClientColumns {
    /// The rules of the client.
    pub(crate) fn rules(&self) -> Result<ClientRules, StoreError> {
        let networks = self.allowed_networks.iter().map(|text| parse_network(text));
        let certificates = self.certificates.iter().map(|text| text.parse());
        let rate = self.requests_per_second.map(|per_second| {
            let burst = self.burst.and_then(|burst| u32::try_from(burst).ok());
            RequestRate::new(per_second, burst).map_err(|_| inconsistent("requests_per_second"))
        });
        Ok(ClientRules {
            networks: networks.collect::<Result<_, _>>().map_err(|_| inconsistent("allowed_networks"))?,
            certificates: certificates
                .collect::<Result<Vec<CertificateName>, _>>()
                .map_err(|_| inconsistent("certificates"))?,
            // Endpoints that only a newer program knows are ignored.
            endpoints: self
                .endpoints
                .as_ref()
                .map(|names| names.iter().filter_map(|name| name.parse().ok()).collect()),
            fields: GrantedFields::from_stored(self.fields.as_deref()),
            rate: rate.transpose()?,
            daily_quota: quota(self.daily_quota).map_err(|()| inconsistent("daily_quota"))?,
            monthly_quota: quota(self.monthly_quota).map_err(|()| inconsistent("monthly_quota"))?,
        })
    }
}

/// The error for a row that violates the constraints of `store.client`.
pub(crate) fn inconsistent(column: &'static str) -> StoreError {
    StoreError::Inconsistent { table: "store.client", column }
}

fn quota(stored: Option<i64>) -> Result<Option<NonZeroU32>, ()> {
    stored.map(|quota| u32::try_from(quota).ok().and_then(NonZeroU32::new).ok_or(())).transpose()
}
