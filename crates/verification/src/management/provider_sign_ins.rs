//! The sign-in of operators through a provider.
//!
//! A browser leaves with a signed text and comes back with a code. Each text counts once in a process, and each code once
//! at the provider. Failures are limited by address, as for passwords; a browser in which somebody signed in before is
//! limited by itself, so that others at its address cannot keep it out.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use padan_domain::{Clock, OperatorName};
use padan_openid_connect::{Fault, FlowSecrets, Identity, Provider};
use padan_store::{NewSession, OperatorAccount, Operators, ProviderFlow, ProviderIdentity};
use parking_lot::Mutex;
use subtle::ConstantTimeEq as _;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::sign_in::{OF_ADDRESS, OF_KNOWN_PLACE, SignInFault, SignInRefusal, SignedIn};
use crate::{
    bounded_table::BoundedTable,
    failed_credentials::{Address, FailureLimit},
};

/// What a browser brings back from the provider.
pub struct ProviderSignIn {
    /// The text that it kept.
    pub flow: Option<String>,
    /// `state` of the answer.
    pub state: String,
    /// `code` of the answer, or `error`.
    pub answer: Result<String, String>,
    /// `iss` of the answer.
    pub issuer: Option<String>,
    /// The text by which the browser is recognised, if it sent one.
    pub device: Option<String>,
    /// The address.
    pub peer: IpAddr,
}

/// A sign-in that began.
pub struct ProviderDeparture {
    /// Where the browser goes.
    pub address: String,
    /// What it keeps meanwhile.
    pub flow: String,
    /// For how long.
    pub seconds: u32,
}

/// The part of the management that asks the provider.
pub(super) struct ProviderSignIns {
    provider: Provider,
    operators: Operators,
    clock: Clock,
    lifetime: TimeDelta,
    of_devices: FailureLimit<String>,
    of_addresses: FailureLimit<Address>,
    /// The flows that browsers came back from.
    used: Mutex<BoundedTable<String, Instant>>,
    /// Requests to the provider at the same time.
    requests: Semaphore,
}

/// How long somebody may take at the provider.
const FLOW_SECONDS: u32 = 600;
const MAX_USED_FLOWS: usize = 65_536;
const MAX_REQUESTS: usize = 8;
/// How long an attempt waits for others.
const TURN_TIME: Duration = Duration::from_secs(5);

impl ProviderSignIns {
    pub(super) fn new(provider: Provider, operators: Operators, clock: Clock, lifetime: TimeDelta) -> Self {
        Self {
            provider,
            operators,
            clock,
            lifetime,
            of_devices: FailureLimit::new(OF_KNOWN_PLACE),
            of_addresses: FailureLimit::new(OF_ADDRESS),
            used: Mutex::new(BoundedTable::new(MAX_USED_FLOWS)),
            requests: Semaphore::new(MAX_REQUESTS),
        }
    }

    pub(super) fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Begins a sign-in.
    pub(super) async fn depart(&self) -> Result<ProviderDeparture, SignInRefusal> {
        let flow = self.operators.new_provider_flow(self.clock.now())?;
        let _turn = self.turn().await?;
        let address = self.provider.authorization(&secrets(&flow)).await?;
        Ok(ProviderDeparture { address, flow: flow.text, seconds: FLOW_SECONDS })
    }

    /// Where a browser signs out at the provider too. `None` when that is not possible: the session here has ended all the
    /// same.
    pub(super) async fn sign_out(&self) -> Option<String> {
        let turn = self.turn().await.ok()?;
        let address = self.provider.sign_out().await;
        drop(turn);
        address.unwrap_or_else(|fault| {
            tracing::warn!("nobody can sign out at the provider: {fault}");
            None
        })
    }

    /// Begins a session for whom the provider vouches.
    pub(super) async fn sign_in(&self, attempt: ProviderSignIn) -> Result<SignedIn, SignInRefusal> {
        let any_person: OperatorName =
            OperatorName::PROVIDER_PREFIX.parse().map_err(|_| SignInRefusal::Busy)?;
        let device = attempt
            .device
            .as_ref()
            .filter(|device| self.operators.is_device_of(&any_person, device))
            .cloned();
        let address = Address::of(attempt.peer);
        let wait = match &device {
            Some(device) => self.of_devices.retry_after(device),
            None => self.of_addresses.retry_after(&address),
        };
        if let Some(wait) = wait {
            return Err(SignInRefusal::TooMany(wait));
        }
        let identified = self.identify(&attempt).await;
        if let Err(SignInRefusal::Provider(_) | SignInRefusal::NoFlow | SignInRefusal::NoRole(_)) =
            &identified
        {
            match device {
                Some(device) => self.of_devices.record(&device),
                None => self.of_addresses.record(&address),
            }
        }
        let (identity, account) = identified?;
        let lifetime = self.provider.session_lifetime(&identity, self.clock.now()).min(self.lifetime);
        let provider = account.provider.clone();
        let operator = identity.account;
        let new = NewSession { operator, lifetime, provider, credentials_changed_at: None };
        let begun = self.operators.begin_session(&new).await?;
        let (token, session) = begun.ok_or(SignInRefusal::NoFlow)?;
        Ok(SignedIn { device: self.operators.new_device(&any_person)?, account, session, token })
    }

    async fn identify(&self, attempt: &ProviderSignIn) -> Result<(Identity, OperatorAccount), SignInRefusal> {
        let now = self.clock.now();
        let flow = attempt.flow.as_deref().and_then(|text| self.operators.provider_flow(text));
        let time = TimeDelta::seconds(FLOW_SECONDS.into());
        let is_in_time = |flow: &ProviderFlow| flow.began_at <= now && now < flow.began_at + time;
        let flow = flow.filter(is_in_time).ok_or(SignInRefusal::NoFlow)?;
        if !bool::from(flow.state.as_bytes().ct_eq(attempt.state.as_bytes())) {
            return Err(refused("the browser came back from another sign-in: its state is wrong"));
        }
        if !self.use_up(&flow) {
            return Err(refused("the browser came back from this sign-in before"));
        }
        let Ok(code) = &attempt.answer else {
            return Err(refused("the provider did not sign the person in"));
        };
        let turn = self.turn().await?;
        let redeemed = self.provider.redeem(code, attempt.issuer.as_deref(), &secrets(&flow), now).await;
        drop(turn);
        let identity = redeemed?;
        let Identity { issuer, subject, claimed_name, account, role, .. } = identity.clone();
        let Some(role) = role else {
            return Err(SignInRefusal::NoRole(Box::new(identity)));
        };
        let provider = ProviderIdentity { issuer, subject, claimed_name, role };
        Ok((identity, OperatorAccount::of_provider(account, provider, now)))
    }

    /// False when the flow was used before.
    fn use_up(&self, flow: &ProviderFlow) -> bool {
        let mut used = self.used.lock();
        let is_new = used.get(&flow.state).is_none();
        let time = Duration::from_secs(FLOW_SECONDS.into());
        let is_kept = used.get_or_insert(&flow.state, Instant::now(), |at| at.elapsed() > time).is_some();
        is_new && is_kept
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, SignInRefusal> {
        match timeout(TURN_TIME, self.requests.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(SignInRefusal::Busy),
        }
    }
}

impl From<Fault> for SignInRefusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unavailable(cause) => Self::ProviderUnavailable(cause),
            Fault::Refused(cause) => refused(cause),
        }
    }
}

fn secrets(flow: &ProviderFlow) -> FlowSecrets {
    let ProviderFlow { state, nonce, verifier, .. } = flow;
    FlowSecrets { state: state.clone(), nonce: nonce.clone(), verifier: verifier.clone() }
}

fn refused(cause: &'static str) -> SignInRefusal {
    SignInRefusal::Provider(SignInFault { account: None, cause })
}
