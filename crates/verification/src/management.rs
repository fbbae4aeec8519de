//! What operators do through the management interface: the same changes as by the program's commands.
//!
//! Start at [`Management::authenticate`], then [`Management::on_behalf_of`]. The caller checks the role before.
//!
//! **Architecture Invariant:** every change, search and export of a [`Mandate`] has a durable row of kind `admin` with
//! the operator's name before its result is returned.

mod accounts;
mod calibrations;
mod clients;
mod enrolments;
mod export_jobs;
mod exports;
mod live_rates;
mod mandate;
mod models;
mod operators;
mod people;
mod provider_sign_ins;
mod sign_in;
mod trail;
mod verifications;
mod watch;

use std::{net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use chrono::TimeDelta;
use padan_domain::{Clock, OperatorName};
use padan_openid_connect::{Identity, Provider};
use padan_store::{
    AdminAct, Administration, AnnouncedAct, AuditTrail, Config, KeySet, ManagementRequest, Operator,
    OperatorAccount, OperatorSession, Overview, Store, StoreError,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

pub use self::{
    accounts::TokenRefusal,
    calibrations::WantedCalibration,
    clients::ClientUse,
    exports::{ExportCriteria, ExportFile, ExportLine},
    live_rates::{LivePoint, LiveRates, MeasureLive},
    mandate::Mandate,
    models::{ActivationPreview, ModelState},
    operators::{NewSecrets, OperatorAddition, OperatorRefusal, ShownSecrets},
    people::ErasurePreview,
    provider_sign_ins::{ProviderDeparture, ProviderSignIn},
    sign_in::{SignIn, SignInFault, SignInRefusal, SignedIn},
    verifications::{TrailOutcome, TrailVerification},
    watch::Watch,
};
use self::{
    accounts::{Accounts, IsGranted},
    exports::Exports,
    live_rates::LastRates,
    provider_sign_ins::ProviderSignIns,
    sign_in::SignIns,
    verifications::Verifications,
};
use crate::allowance::Allowance;

/// The management of a site. A process has at most one, beside its verifier.
pub struct Management {
    config: Config,
    store: Store,
    overview: Overview,
    trail: AuditTrail,
    process: Operator,
    model_folders: Vec<PathBuf>,
    accounts: Accounts,
    sign_ins: SignIns,
    provider_sign_ins: Option<Arc<ProviderSignIns>>,
    verifications: Verifications,
    jobs: Exports,
    watches: Arc<Semaphore>,
    sessions: SessionTimes,
    measure_live: MeasureLive,
    last_rates: LastRates,
    clock: Clock,
}

/// The parts of a management.
pub struct ManagementParts {
    /// Section `[store]`, with the URL of a user in the role `padan_operator`.
    pub store: Config,
    /// This process, as the operating system knows it.
    pub process: Operator,
    /// The folders of the models.
    pub model_folders: Vec<PathBuf>,
    /// How many wrong tokens an address may send.
    pub failed_tokens: Allowance,
    /// How long sessions last.
    pub sessions: SessionTimes,
    /// Computes rates from what the live measurement counted.
    pub measure_live: MeasureLive,
    /// The provider through which operators may sign in, if there is one.
    pub provider: Option<Provider>,
    /// The source of the time.
    pub clock: Clock,
}

/// How long a session of an operator lasts.
#[derive(Debug, Clone, Copy)]
pub struct SessionTimes {
    /// The longest time without a request.
    pub idle: TimeDelta,
    /// The longest time in all.
    pub lifetime: TimeDelta,
}

/// How long a row of an operator's act may take. The first row of a process takes longer.
const ADMINISTRATION_TIMEOUT: Duration = Duration::from_secs(20);
/// Operators who watch requests at the same time. Each asks the store once a second.
const MAX_WATCHES: usize = 16;

impl Management {
    /// Prepares the management. Must be called within a Tokio runtime. Nothing is connected to.
    ///
    /// # Errors
    ///
    /// When the settings cannot work or a key cannot be read.
    pub fn new(parts: ManagementParts) -> Result<Self, StoreError> {
        let ManagementParts {
            store: config,
            process,
            model_folders,
            failed_tokens,
            sessions,
            measure_live,
            provider,
            clock,
        } = parts;
        let store = Store::open(&config, KeySet::AuditAndPerson)?;
        let provider_sign_ins = provider
            .map(|provider| ProviderSignIns::new(provider, store.operators(), clock, sessions.lifetime))
            .map(Arc::new);
        let for_accounts = provider_sign_ins.clone();
        let is_granted: IsGranted = Box::new(move |issuer, role| {
            for_accounts.as_ref().is_some_and(|sign_ins| sign_ins.provider().grants(issuer, role))
        });
        Ok(Self {
            overview: Overview::open(&config)?,
            trail: store.audit_trail(clock).with_timeout(ADMINISTRATION_TIMEOUT),
            accounts: Accounts::new(store.operators(), clock, failed_tokens, sessions.idle, is_granted),
            sign_ins: SignIns::new(store.operators(), clock, sessions.lifetime),
            provider_sign_ins,
            config,
            store,
            process,
            model_folders,
            verifications: Verifications::default(),
            jobs: Exports::new(),
            watches: Arc::new(Semaphore::new(MAX_WATCHES)),
            sessions,
            measure_live,
            last_rates: LastRates::default(),
            clock,
        })
    }

    /// The account of a token that was sent from an address.
    ///
    /// # Errors
    ///
    /// [`TokenRefusal`] when the token is not valid, or cannot be looked up.
    pub async fn authenticate(&self, token: &[u8], peer: IpAddr) -> Result<OperatorAccount, TokenRefusal> {
        self.accounts.of_token(token, peer).await
    }

    /// The session of a token that a browser sent from an address, with the account of its operator.
    ///
    /// # Errors
    ///
    /// [`TokenRefusal`] when the session has ended or its account does not count, or they cannot be looked up.
    pub async fn session(
        &self,
        token: &[u8],
        peer: IpAddr,
    ) -> Result<(OperatorSession, OperatorAccount), TokenRefusal> {
        self.accounts.of_session(token, peer).await
    }

    /// Begins a session, if name, password and code are right. The outcome is recorded before it is returned, except that
    /// attempts beyond the limits are only refused.
    ///
    /// # Errors
    ///
    /// [`SignInRefusal`] when there is no new session.
    pub async fn sign_in(
        self: &Arc<Self>,
        attempt: SignIn,
        request_id: &str,
    ) -> Result<SignedIn, SignInRefusal> {
        let peer = attempt.peer;
        let signed_in = self.sign_ins.sign_in(attempt).await;
        self.record_sign_in(&signed_in, peer, request_id).await?;
        signed_in
    }

    /// The name of the provider through which operators may sign in, if there is one.
    pub fn provider_label(&self) -> Option<&str> {
        self.provider_sign_ins.as_deref().map(|sign_ins| sign_ins.provider().label())
    }

    /// Begins a sign-in through the provider: says where the browser goes. `None` without a provider.
    ///
    /// # Errors
    ///
    /// [`SignInRefusal`] when the provider cannot be used.
    pub async fn depart_to_provider(&self) -> Result<Option<ProviderDeparture>, SignInRefusal> {
        let Some(sign_ins) = &self.provider_sign_ins else { return Ok(None) };
        sign_ins.depart().await.map(Some)
    }

    /// Begins a session for somebody who comes back from the provider, recorded as [`sign_in`](Self::sign_in). `None`
    /// without a provider.
    ///
    /// # Errors
    ///
    /// [`SignInRefusal`] when there is no new session.
    pub async fn sign_in_from_provider(
        self: &Arc<Self>,
        attempt: ProviderSignIn,
        request_id: &str,
    ) -> Result<Option<SignedIn>, SignInRefusal> {
        let Some(sign_ins) = &self.provider_sign_ins else { return Ok(None) };
        let peer = attempt.peer;
        let signed_in = sign_ins.sign_in(attempt).await;
        self.record_sign_in(&signed_in, peer, request_id).await?;
        signed_in.map(Some)
    }

    async fn record_sign_in(
        self: &Arc<Self>,
        signed_in: &Result<SignedIn, SignInRefusal>,
        peer: IpAddr,
        request_id: &str,
    ) -> Result<(), StoreError> {
        let after = match signed_in {
            Ok(SignedIn { account, .. }) => {
                let mandate = self.on_behalf_of(account.clone(), request_id);
                let mut after = json!({ "address": peer });
                if account.provider.is_some() {
                    after["role"] = account.role.as_str().into();
                }
                return mandate.announce(AdminAct::OperatorSignedIn, after).await;
            }
            Err(SignInRefusal::NoRole(identity)) => {
                let Identity { issuer, subject, claimed_name, account, .. } = &**identity;
                json!({
                    "account": account.as_str(),
                    "cause": "no group of the person has a role",
                    "provider": { "issuer": issuer, "subject": subject, "claimed_name": claimed_name },
                    "address": peer,
                    "request_id": request_id,
                })
            }
            Err(refusal) => {
                let Some(SignInFault { account, cause }) = refusal.recorded() else { return Ok(()) };
                json!({
                    "account": account.as_ref().map(OperatorName::as_str),
                    "cause": cause,
                    "address": peer,
                    "request_id": request_id,
                })
            }
        };
        let refused = AnnouncedAct { act: AdminAct::OperatorSignInFailed, before: Value::Null, after };
        Administration::by(self.process.clone(), self.trail.clone()).announce(refused).await
    }

    /// What a request of this account may do.
    pub fn on_behalf_of(self: &Arc<Self>, account: OperatorAccount, request_id: &str) -> Mandate {
        let request = ManagementRequest {
            account: account.name.clone(),
            request_id: request_id.to_owned(),
            provider: account.provider.clone(),
        };
        let operator = Operator { request: Some(request), ..self.process.clone() };
        let administration = Administration::by(operator, self.trail.clone());
        Mandate::new(Arc::clone(self), account, administration)
    }

    /// How long sessions last.
    pub fn session_times(&self) -> SessionTimes {
        self.sessions
    }

    /// Gives up the exports that run, and records the head of the trail. Must be called before the process ends.
    pub async fn finish(&self) {
        self.jobs.release(&self.store).await;
        self.trail.finish().await;
    }
}
