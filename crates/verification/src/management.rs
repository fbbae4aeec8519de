//! What operators do through the management interface: the same changes as by the program's commands.
//!
//! Start at [`Management::authenticate`], then [`Management::on_behalf_of`]. The caller checks the role before.
//!
//! **Architecture Invariant:** every change, search and export of a [`Mandate`] has a durable row of kind `admin` with
//! the operator's name before its result is returned.

mod accounts;
mod calibrations;
mod enrolments;
mod export_jobs;
mod exports;
mod live_rates;
mod models;
mod operators;
mod provider_sign_ins;
mod sign_in;
mod verifications;
mod watch;

use std::{net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use padan_domain::{
    ClientName, ClientRules, Clock, Endpoint, ModelContractId, NationalId, OperatorName, QuotaPeriod,
};
use padan_inference::{Catalogue, ModelError};
use padan_openid_connect::{Identity, Provider};
use padan_store::{
    ActiveModel, AdminAct, Administration, AnnouncedAct, AuditFilter, AuditLog, AuditQuery, AuditRow,
    AuditTrail, ClientProfile, Config, EnrolmentStatus, Forgotten, KeySet, ManagementRequest, NewClient,
    Operator, OperatorAccount, OperatorSession, Overview, RefusedClient, Rotation, Store, StoreError,
    StoredAbout, UsageRow,
};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use self::{
    accounts::TokenRefusal,
    calibrations::WantedCalibration,
    exports::{ExportCriteria, ExportFile, ExportLine},
    live_rates::{LivePoint, LiveRates, MeasureLive},
    models::{ActivationPreview, ModelState},
    operators::{NewSecrets, OperatorAddition, OperatorRefusal, ShownSecrets},
    provider_sign_ins::{ProviderDeparture, ProviderSignIn},
    sign_in::{SignIn, SignInFault, SignInRefusal, SignedIn},
    verifications::{TrailOutcome, TrailVerification},
    watch::Watch,
};
use self::{
    accounts::{Accounts, IsGranted},
    exports::Exports,
    live_rates::LastRates,
    models::{list_models, preview_activation},
    provider_sign_ins::ProviderSignIns,
    sign_in::SignIns,
    verifications::Verifications,
};
use crate::{
    allowance::Allowance,
    live_marks::LiveMarks,
    model_activation::{ActivationError, activate_model},
};

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

/// What one request of an operator may do.
pub struct Mandate {
    management: Arc<Management>,
    account: OperatorAccount,
    administration: Administration,
}

/// A client and how much of its quotas it has used.
#[derive(Debug)]
pub struct ClientUse {
    /// The client.
    pub client: ClientProfile,
    /// Requests of this day and this month that were counted or are held by processes.
    pub used: Vec<(QuotaPeriod, u64)>,
}

/// What an erasure would remove, and the text that confirms it.
#[derive(Debug)]
pub struct ErasurePreview {
    /// The amount of data about the person.
    pub stored: StoredAbout,
    /// The ids of person keys under which rows exist and which the settings lack: these rows are not searched.
    pub unknown_person_keys: Vec<String>,
    /// Confirms the erasure of this person's data by this operator.
    pub confirmation: String,
    /// Until when it does.
    pub valid_until: DateTime<Utc>,
}

/// How long a row of an operator's act may take. The first row of a process takes longer.
const ADMINISTRATION_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the answer to a dry run of an erasure confirms it.
const CONFIRMATION_TIME: TimeDelta = TimeDelta::minutes(5);
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
            .map(|provider| ProviderSignIns::new(provider, store.clone(), clock, sessions.lifetime))
            .map(Arc::new);
        let for_accounts = provider_sign_ins.clone();
        let is_granted: IsGranted = Box::new(move |issuer, role| {
            for_accounts.as_ref().is_some_and(|sign_ins| sign_ins.provider().grants(issuer, role))
        });
        Ok(Self {
            overview: Overview::open(&config)?,
            trail: store.audit_trail(clock).with_timeout(ADMINISTRATION_TIMEOUT),
            accounts: Accounts::new(store.clone(), clock, failed_tokens, sessions.idle, is_granted),
            sign_ins: SignIns::new(store.clone(), clock, sessions.lifetime),
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
        Mandate { management: Arc::clone(self), account, administration }
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

impl Mandate {
    /// The operator's account.
    pub fn account(&self) -> &OperatorAccount {
        &self.account
    }

    /// Ends the session of the operator, which is recorded. Returns where the browser signs out at the provider too, if the
    /// operator signed in through one that offers it.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn sign_out(&self, session: &OperatorSession) -> Result<Option<String>, StoreError> {
        self.management.store.end_operator_session(session).await?;
        self.announce(AdminAct::OperatorSignedOut, Value::Null).await?;
        match &self.management.provider_sign_ins {
            Some(sign_ins) if self.account.provider.is_some() => Ok(sign_ins.sign_out().await),
            _ => Ok(None),
        }
    }

    /// How long sessions last.
    pub fn session_times(&self) -> SessionTimes {
        self.management.sessions
    }

    /// The current time.
    pub fn now(&self) -> DateTime<Utc> {
        self.management.clock.now()
    }

    /// All clients, ordered by name.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_clients(&self) -> Result<Vec<ClientProfile>, StoreError> {
        self.management.overview.clients().await
    }

    /// The clients that services refuse, since Padan did not write their rows so.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn refused_clients(&self) -> Result<Vec<RefusedClient>, StoreError> {
        Ok(self.management.store.clients().await?.refused)
    }

    /// A client and the use of its quotas.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn client(&self, name: &ClientName) -> Result<Option<ClientUse>, StoreError> {
        let Management { overview, clock, .. } = &*self.management;
        let Some(client) = overview.client(name).await? else { return Ok(None) };
        let mut used = Vec::new();
        for period in QuotaPeriod::ALL {
            used.push((period, overview.quota_used(name, period.current(clock)).await?));
        }
        Ok(Some(ClientUse { client, used }))
    }

    /// Adds a client. False when its name or user name is taken.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn add_client(&self, client: &NewClient) -> Result<bool, StoreError> {
        self.administration.add_client(client).await
    }

    /// Replaces the rules of a client that was last changed at this moment. False when there is none of that name.
    ///
    /// # Errors
    ///
    /// [`StoreError::ClientChangedMeanwhile`] when somebody else changed it since; otherwise when the store fails.
    pub async fn replace_client_rules(
        &self,
        name: &ClientName,
        rules: &ClientRules,
        last_changed_at: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        self.administration.set_client_rules(name, rules, last_changed_at).await
    }

    /// Disables or enables a client. False when there is none of that name.
    ///
    /// # Errors
    ///
    /// When the store fails, or Padan did not write the client's row.
    pub async fn set_client_disabled(&self, name: &ClientName, disabled: bool) -> Result<bool, StoreError> {
        self.administration.set_client_disabled(name, disabled).await
    }

    /// Removes a client. False when there is none of that name.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn remove_client(&self, name: &ClientName) -> Result<bool, StoreError> {
        self.administration.remove_client(name).await
    }

    /// Replaces a client's secrets. False when there is no client of that name.
    ///
    /// # Errors
    ///
    /// When the store fails, or Padan did not write the client's row.
    pub async fn rotate_client(&self, rotation: &Rotation) -> Result<bool, StoreError> {
        self.administration.rotate_client(rotation).await
    }

    /// The number of calls by client, day, endpoint and outcome.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn usage(&self, filter: &AuditFilter) -> Result<Vec<UsageRow>, StoreError> {
        AuditLog::open(&self.management.config).await?.usage(filter).await
    }

    /// A page of a search in the audit trail.
    ///
    /// # Errors
    ///
    /// When the store fails, or takes too long for the time that the query names.
    pub async fn search(&self, query: AuditQuery) -> Result<Vec<AuditRow>, StoreError> {
        let act = match (&query.nik, &query.request_id) {
            (Some(_), _) => AdminAct::PersonSearched,
            (None, Some(_)) => AdminAct::RequestSearched,
            (None, None) => AdminAct::AuditSearched,
        };
        // A person is not named, so that nothing of this row has to be forgotten. An id that an operator types may be
        // anything, and so it is not recorded either.
        let after = json!({
            "one_person": query.nik.is_some(),
            "one_request": query.request_id.is_some(),
            "kind": query.kind,
            "client": query.client,
            "reason": query.reason,
            "except_reasons": query.except_reasons.len(),
            "from": query.from,
            "to": query.to,
            "continued": query.before.is_some(),
        });
        self.announce(act, after).await?;
        self.management.store.search_audit(query).await
    }

    /// The rows of requests as they are written, which is recorded once. `None` while too many operators watch.
    ///
    /// # Errors
    ///
    /// When the row of the act cannot be written.
    pub async fn watch(&self, client: Option<String>) -> Result<Option<Watch>, StoreError> {
        let Management { watches, store, clock, .. } = &*self.management;
        let Ok(permit) = Arc::clone(watches).try_acquire_owned() else { return Ok(None) };
        self.announce(AdminAct::AuditSearched, json!({ "live": true, "client": client })).await?;
        Ok(Some(Watch::begin(store.clone(), *clock, client, permit)))
    }

    /// Permission for one more export; `None` while too many run.
    pub fn try_begin_export(&self) -> Option<OwnedSemaphorePermit> {
        self.management.jobs.permit()
    }

    /// Opens the trail for an export of these rows, which is recorded.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn open_export(&self, filter: &AuditFilter) -> Result<AuditLog, StoreError> {
        let AuditFilter { nik, kind, client, from, to, after: _ } = filter;
        let after =
            json!({ "one_person": nik.is_some(), "kind": kind, "client": client, "from": from, "to": to });
        self.announce(AdminAct::AuditExported, after).await?;
        AuditLog::open(&self.management.config).await
    }

    /// Starts a verification of the whole trail, which is recorded. `None` while another one runs.
    ///
    /// # Errors
    ///
    /// When the row of the act cannot be written.
    pub async fn start_verification(&self) -> Result<Option<TrailVerification>, StoreError> {
        self.announce(AdminAct::AuditVerified, Value::Null).await?;
        let Management { verifications, config, clock, .. } = &*self.management;
        Ok(verifications.start(config.clone(), *clock))
    }

    /// The last verifications of the trail by this process, newest first.
    pub fn verifications(&self) -> Vec<TrailVerification> {
        self.management.verifications.list()
    }

    /// The amount of data about a person, with a text that confirms its erasure by this operator until a moment.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn preview_erasure(&self, nik: &NationalId) -> Result<ErasurePreview, StoreError> {
        self.announce(AdminAct::PersonLookedUp, json!({ "dry_run_of": "person forget" })).await?;
        let store = &self.management.store;
        let valid_until = self.now() + CONFIRMATION_TIME;
        Ok(ErasurePreview {
            stored: store.stored_about(nik).await?,
            unknown_person_keys: store.unknown_person_keys().await?,
            confirmation: store.erasure_confirmation(nik, &self.account.name, valid_until)?,
            valid_until,
        })
    }

    /// Erases a person's data, if the text confirms it. `None` when it does not.
    ///
    /// # Errors
    ///
    /// As [`Store::forget`].
    pub async fn erase(&self, nik: &NationalId, confirmation: &str) -> Result<Option<Forgotten>, StoreError> {
        let Management { store, trail, .. } = &*self.management;
        let operator = &self.account.name;
        if !store.is_erasure_confirmed(nik, operator, confirmation, self.now())? {
            return Ok(None);
        }
        self.announce(AdminAct::PersonForgotten, json!({ "requested_by": operator.as_str() })).await?;
        store.forget(nik, operator.as_str(), trail).await.map(Some)
    }

    /// The status of all enrolments, most recent first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn enrolments(&self) -> Result<Vec<EnrolmentStatus>, StoreError> {
        self.management.overview.enrolments().await
    }

    /// What the live measurement says of these marks; `None` when nothing was counted.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn live_rates(&self, marks: LiveMarks) -> Result<Option<LiveRates>, StoreError> {
        let Management { last_rates, store, measure_live, clock, .. } = &*self.management;
        last_rates.of(store, marks, *measure_live, clock.today_in_jakarta()).await
    }

    /// The active model set; `None` when none was activated.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn active_model(&self) -> Result<Option<ActiveModel>, StoreError> {
        self.management.overview.active_model().await
    }

    /// The model sets that this machine knows. Reads and checks their files, so that it may take a second.
    ///
    /// # Errors
    ///
    /// When a manifest or a calibration cannot be read.
    pub async fn models(&self) -> Result<Vec<ModelState>, ModelError> {
        let folders = self.management.model_folders.clone();
        let listed = tokio::task::spawn_blocking(move || list_models(&folders)).await;
        listed.unwrap_or_else(|error| Err(ModelError::Graph(error.to_string())))
    }

    /// Records that the operator verifies or compares by hand. The row of the request follows, with the same id.
    ///
    /// # Errors
    ///
    /// When the row cannot be written: then nothing may be verified.
    pub async fn begin_by_hand(&self, endpoint: Endpoint) -> Result<(), StoreError> {
        self.announce(AdminAct::VerifiedByHand, json!({ "endpoint": endpoint.as_str() })).await
    }

    /// Records that the operator sees the aligned faces of a verification or a comparison by hand.
    ///
    /// # Errors
    ///
    /// When the row cannot be written: then no face may be shown.
    pub async fn begin_showing_faces(&self, endpoint: Endpoint) -> Result<(), StoreError> {
        self.announce(AdminAct::FacesShown, json!({ "endpoint": endpoint.as_str() })).await
    }

    /// Activates a model set for all services.
    ///
    /// # Errors
    ///
    /// [`ActivationError`] when nothing was activated.
    pub async fn activate_model(
        &self,
        model_set: &str,
        force: bool,
    ) -> Result<ModelContractId, ActivationError> {
        let catalogue = Catalogue::load(&self.management.model_folders)?;
        activate_model(&catalogue, &self.management.store, &self.administration, model_set, force).await
    }

    /// Tells what the activation of a model set would change. `of_settings` is the set that decides when none was activated.
    ///
    /// # Errors
    ///
    /// [`ActivationError`] when the set or a calibration is not known, or the store fails.
    pub async fn preview_activation(
        &self,
        model_set: &str,
        of_settings: &str,
    ) -> Result<ActivationPreview, ActivationError> {
        let Management { model_folders, store, clock, .. } = &*self.management;
        preview_activation(model_folders, store, clock, model_set, of_settings).await
    }

    async fn announce(&self, act: AdminAct, after: Value) -> Result<(), StoreError> {
        self.administration.announce(AnnouncedAct { act, before: Value::Null, after }).await
    }
}
