//! Changes that operators decide, and their rows in the audit trail.

pub(crate) mod act;
pub(crate) mod entry;

use chrono::{DateTime, Utc};
use padan_domain::{ClientName, ClientRules, ModelContractId, OperatorName};

use crate::{
    administration::entry::{AnnouncedAct, Operator},
    audit::{administering::AdminChange, trail::AuditTrail},
    clients::{
        change::{ClientChange, ClientEdit, NewClient, Rotation},
        secret::ClientSecret,
    },
    error::StoreError,
    models::{
        activation::Activation, calibration_activation::CalibrationActivation,
        calibration_row::ActiveCalibration, shadow_change::ShadowChange, shadow_row::ShadowModel,
    },
    operators::{
        change::{NewOperator, OperatorChange, OperatorEdit, OperatorSettings},
        code::CodeSecret,
        password::PasswordHashText,
        sessions_end::SessionsEnd,
    },
};

/// Changes what operators decide. Each change leaves a row of kind `admin` in the audit trail, in the same transaction.
#[derive(Debug)]
pub struct Administration {
    trail: AuditTrail,
    operator: Operator,
}

impl Administration {
    /// Administration by an operator, with the rows in this trail.
    pub fn by(operator: Operator, trail: AuditTrail) -> Self {
        Self { trail, operator }
    }

    /// The trail.
    pub fn trail(&self) -> &AuditTrail {
        &self.trail
    }

    /// Records an act that begins when this returns: it is not one transaction, so its row comes first.
    ///
    /// # Errors
    ///
    /// When the row could not be written. The act must not begin then.
    pub async fn announce(&self, act: AnnouncedAct) -> Result<(), StoreError> {
        self.change(AdminChange::Announced(act)).await.map(drop)
    }

    /// Adds a client. False when its name or user name is taken. The name under which operators verify by hand is taken.
    ///
    /// # Errors
    ///
    /// When the store fails. The client was then not added, or was added with its row.
    pub async fn add_client(&self, client: &NewClient) -> Result<bool, StoreError> {
        if client.name.is_by_hand() {
            return Ok(false);
        }
        let NewClient { name, username, password, api_key, is_sandbox, rules } = client;
        let added = ClientEdit::Add {
            username: username.clone(),
            password: password.sha256(),
            api_key: api_key.sha256(),
            is_sandbox: *is_sandbox,
            rules: rules.clone(),
        };
        self.change_client(name, added).await
    }

    /// Replaces a client's rules, which were computed from the row as it was last changed at `read_at`. False when there is
    /// no client of that name.
    ///
    /// # Errors
    ///
    /// [`StoreError::ClientChangedMeanwhile`] when the row was changed since: it must be read again, since otherwise that
    /// change would be lost. [`StoreError::ClientNotSigned`] when Padan did not write the client's row; otherwise when the store fails.
    pub async fn set_client_rules(
        &self,
        name: &ClientName,
        rules: &ClientRules,
        read_at: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        self.change_client(name, ClientEdit::Rules { rules: rules.clone(), read_at }).await
    }

    /// Disables or enables a client. False when there is no client of that name.
    ///
    /// # Errors
    ///
    /// [`StoreError::ClientNotSigned`] when Padan did not write the client's row; otherwise when the store fails.
    pub async fn set_client_disabled(&self, name: &ClientName, disabled: bool) -> Result<bool, StoreError> {
        self.change_client(name, ClientEdit::Disabled(disabled)).await
    }

    /// Replaces a client's secrets. False when there is no client of that name.
    ///
    /// # Errors
    ///
    /// As [`set_client_disabled`](Self::set_client_disabled).
    pub async fn rotate_client(&self, rotation: &Rotation) -> Result<bool, StoreError> {
        let Rotation { name, password, api_key, keep_old } = rotation;
        let [password, api_key] = [password, api_key].map(|new| new.as_ref().map(ClientSecret::sha256));
        self.change_client(name, ClientEdit::Secrets { password, api_key, keep_old: *keep_old }).await
    }

    /// Removes a client, whoever wrote its row, but not the count of its used quotas. False when there is no client of
    /// that name.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn remove_client(&self, name: &ClientName) -> Result<bool, StoreError> {
        self.change_client(name, ClientEdit::Removal).await
    }

    /// Signs the row of a client as it is, whoever wrote it: from then on services trust it. False when there is no
    /// client of that name.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn sign_client(&self, name: &ClientName) -> Result<bool, StoreError> {
        self.change_client(name, ClientEdit::Signature).await
    }

    /// Adds an operator. False when its name is taken. Names of people whom a provider knows are taken.
    ///
    /// # Errors
    ///
    /// When the store fails. The operator was then not added, or was added with its row.
    pub async fn add_operator(&self, operator: &NewOperator) -> Result<bool, StoreError> {
        if operator.name.is_of_provider() {
            return Ok(false);
        }
        let NewOperator { name, role, token, expires_at } = operator;
        let added = OperatorEdit::Add { role: *role, token: token.sha256(), expires_at: *expires_at };
        self.change_operator(name, added).await
    }

    /// Signs the row of an operator again that has the signature of a former release. False when there is no operator of that
    /// name.
    ///
    /// # Errors
    ///
    /// As [`set_operator`](Self::set_operator).
    pub async fn sign_operator(&self, name: &OperatorName) -> Result<bool, StoreError> {
        self.change_operator(name, OperatorEdit::Signature).await
    }

    /// Changes the given settings of an operator, and signs the row under the current key. False when there is no
    /// operator of that name.
    ///
    /// # Errors
    ///
    /// [`StoreError::OperatorNotSigned`] when Padan did not write the operator's row; otherwise when the store fails.
    pub async fn set_operator(
        &self,
        name: &OperatorName,
        settings: &OperatorSettings,
    ) -> Result<bool, StoreError> {
        self.change_operator(name, OperatorEdit::Settings(settings.clone())).await
    }

    /// As [`set_operator`](Self::set_operator), but the last enabled account in the role operator stays one.
    ///
    /// # Errors
    ///
    /// [`StoreError::LastOperator`] when it is the last one; otherwise as [`set_operator`](Self::set_operator).
    pub async fn set_operator_leaving_one(
        &self,
        name: &OperatorName,
        settings: &OperatorSettings,
    ) -> Result<bool, StoreError> {
        let what = OperatorEdit::Settings(settings.clone());
        let change = OperatorChange { name: name.clone(), what, leaves_an_operator: true };
        self.change(AdminChange::Operator(change)).await
    }

    /// Ends all sessions of an account, also of one that a provider knows. False when there is none.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn end_sessions(&self, account: &OperatorName) -> Result<bool, StoreError> {
        self.change(AdminChange::Sessions(SessionsEnd { account: account.clone() })).await
    }

    /// Replaces an operator's token; the old one is refused at once. False when there is no operator of that name.
    ///
    /// # Errors
    ///
    /// As [`set_operator`](Self::set_operator).
    pub async fn rotate_operator(
        &self,
        name: &OperatorName,
        token: &ClientSecret,
    ) -> Result<bool, StoreError> {
        self.change_operator(name, OperatorEdit::Token(token.sha256())).await
    }

    /// Sets the password of an operator, and ends its sessions. False when there is no operator of that name.
    ///
    /// # Errors
    ///
    /// As [`set_operator`](Self::set_operator).
    pub async fn set_operator_password(
        &self,
        name: &OperatorName,
        hash: PasswordHashText,
    ) -> Result<bool, StoreError> {
        self.change_operator(name, OperatorEdit::Password(hash)).await
    }

    /// Sets or removes the secret of an operator's one-time codes, and ends its sessions. False when there is no operator
    /// of that name.
    ///
    /// # Errors
    ///
    /// As [`set_operator`](Self::set_operator).
    pub async fn set_operator_code(
        &self,
        name: &OperatorName,
        secret: Option<CodeSecret>,
    ) -> Result<bool, StoreError> {
        self.change_operator(name, OperatorEdit::Code(secret)).await
    }

    /// Removes an operator, whoever wrote its row. False when there is no operator of that name.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn remove_operator(&self, name: &OperatorName) -> Result<bool, StoreError> {
        self.change_operator(name, OperatorEdit::Removal).await
    }

    /// Activates a model set. Services switch to it within seconds. `force` says that its enrolment need not be
    /// complete, and is only recorded. Its measurement as the shadow model set ends.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn activate_model(
        &self,
        model_set: &str,
        contract: &ModelContractId,
        force: bool,
    ) -> Result<(), StoreError> {
        let (model_set, contract) = (model_set.to_owned(), contract.as_str().to_owned());
        self.change(AdminChange::Model(Activation { model_set, contract, force })).await.map(drop)
    }

    /// Lets services measure a model set beside the active one, in place of any other. They begin within seconds.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn set_shadow_model(&self, shadow: ShadowModel) -> Result<(), StoreError> {
        self.change(AdminChange::Shadow(ShadowChange::Set(shadow))).await.map(drop)
    }

    /// Ends the measurement of the shadow model set. False when none was measured.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn end_shadow_model(&self) -> Result<bool, StoreError> {
        self.change(AdminChange::Shadow(ShadowChange::End)).await
    }

    /// Activates a calibration for its model set. Services switch to it within seconds.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn activate_calibration(&self, calibration: ActiveCalibration) -> Result<(), StoreError> {
        let activation = CalibrationActivation::File(calibration);
        self.change(AdminChange::Calibration(activation)).await.map(drop)
    }

    /// Returns to the calibration that is installed beside the program. False when no other one was active.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn use_installed_calibration(&self, model_set: &str) -> Result<bool, StoreError> {
        let activation = CalibrationActivation::Installed { model_set: model_set.to_owned() };
        self.change(AdminChange::Calibration(activation)).await
    }

    /// Records the head of the trail. Must be called before the process ends.
    pub async fn finish(&self) {
        self.trail.finish().await;
    }

    async fn change_client(&self, name: &ClientName, what: ClientEdit) -> Result<bool, StoreError> {
        self.change(AdminChange::Client(ClientChange { name: name.clone(), what })).await
    }

    async fn change_operator(&self, name: &OperatorName, what: OperatorEdit) -> Result<bool, StoreError> {
        let change = OperatorChange { name: name.clone(), what, leaves_an_operator: false };
        self.change(AdminChange::Operator(change)).await
    }

    async fn change(&self, change: AdminChange) -> Result<bool, StoreError> {
        self.trail.administer(change, self.operator.clone()).await
    }
}
