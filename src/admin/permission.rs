//! The permissions on the admin routes that the worker serves itself.

/// The permission that a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// VIEW_ENVIRONMENT
    ViewEnvironment,
    /// VIEW_IDENTITIES
    ViewIdentities,
    /// MANAGE_IDENTITIES
    ManageIdentities,
    /// UPDATE_FEATURE_STATE; permissions that tags grant do not count.
    UpdateFeatureState,
    /// The environment's administrator.
    Admin,
}

/// All permissions, each at the index of its number.
pub(super) const PERMISSIONS: [Permission; 5] = [
    Permission::ViewEnvironment,
    Permission::ViewIdentities,
    Permission::ManageIdentities,
    Permission::UpdateFeatureState,
    Permission::Admin,
];

impl Permission {
    /// Flagsmith's name of the permission; none for an administrator's.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Permission::ViewEnvironment => Some("VIEW_ENVIRONMENT"),
            Permission::ViewIdentities => Some("VIEW_IDENTITIES"),
            Permission::ManageIdentities => Some("MANAGE_IDENTITIES"),
            Permission::UpdateFeatureState => Some("UPDATE_FEATURE_STATE"),
            Permission::Admin => None,
        }
    }
}
