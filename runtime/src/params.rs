// SPDX-License-Identifier: Apache-2.0

//! Every number of the market that is policy: changed by governance, within bounds.
//!
//! pallet-parameters stores what governance sets and [`Within`] keeps what pallets read inside the bounds written
//! here: `set_parameter` shows its admin only the key, so a value outside is stored but never takes effect beyond its
//! bound. Changing a bound is a runtime upgrade.

use crate::{
	Runtime,
	constants::{DAY, HOUR, MILLI, TESS},
};
use core::marker::PhantomData;
use frame_support::{
	dynamic_params::{dynamic_pallet_params, dynamic_params},
	parameter_types,
	traits::Get,
};
use sp_runtime::{Perbill, Permill};
use tessera_primitives::{Balance, limits};

/// The stored values. Indices are part of the chain's interface: never reuse one.
#[dynamic_params(RuntimeParameters, pallet_parameters::Parameters::<Runtime>)]
pub mod stored {
	use super::*;

	/// Policy of pallet providers.
	#[dynamic_pallet_params]
	#[codec(index = 0)]
	pub mod providers {
		/// Least bond of a provider, planck.
		#[codec(index = 0)]
		pub static MinBond: Balance = 10 * TESS;
		/// Ticks from unbonding to withdrawal.
		#[codec(index = 1)]
		pub static UnbondingTicks: u32 = 7 * DAY;
		/// Ticks of a heartbeat window.
		#[codec(index = 2)]
		pub static HeartbeatWindow: u32 = 20;
		/// Ticks after the last heartbeat at which a provider counts as offline.
		#[codec(index = 3)]
		pub static HeartbeatExpiry: u32 = 60;
	}

	/// Policy of pallet jobs.
	#[dynamic_pallet_params]
	#[codec(index = 1)]
	pub mod jobs {
		/// The protocol's share of each settled fee.
		#[codec(index = 0)]
		pub static ProtocolCut: Permill = Permill::from_percent(2);
		/// Least price of a task, planck.
		#[codec(index = 1)]
		pub static FeeFloorBase: Balance = MILLI;
		/// What the least price grows by per tick for which the task can lock a provider's bond, planck.
		#[codec(index = 2)]
		pub static FeeFloorPerTick: Balance = 1_000_000;
		/// Share of the price that a first expiry burns.
		#[codec(index = 3)]
		pub static ExpiryPenalty: Permill = Permill::from_percent(10);
		/// Share of the price that each side burns when a task is handed back.
		#[codec(index = 4)]
		pub static HandBackPenalty: Permill = Permill::from_percent(1);
		/// Ticks after acceptance during which inputs can be reported missing.
		#[codec(index = 5)]
		pub static FetchWindow: u32 = 100;
		/// Ticks from claim to settlement.
		#[codec(index = 6)]
		pub static ChallengeTicks: u32 = 20;
		/// Attempts of a task.
		#[codec(index = 7)]
		pub static MaxAttempts: u32 = 4;
		/// Longest execution deadline, ticks.
		#[codec(index = 8)]
		pub static MaxExecutionTicks: u32 = DAY;
		/// Longest lifetime of a job, ticks.
		#[codec(index = 9)]
		pub static MaxLifetimeTicks: u32 = 30 * DAY;
		/// Ticks after its end during which only the tenant may clean a job up.
		#[codec(index = 10)]
		pub static RetentionTicks: u32 = DAY;
		/// Fullness of a block's normal class at which the clock stands still.
		#[codec(index = 11)]
		pub static FullBlock: Perbill = Perbill::from_percent(90);
		/// For how many full blocks the clock may stand still.
		#[codec(index = 12)]
		pub static MaxStalledBlocks: u32 = HOUR;
	}
}

#[cfg(feature = "runtime-benchmarks")]
impl Default for RuntimeParameters {
	fn default() -> Self {
		Self::Jobs(stored::jobs::Parameters::MaxAttempts(stored::jobs::MaxAttempts, Some(4)))
	}
}

/// The value of `P`, kept between `Min` and `Max`.
pub struct Within<P, Min, Max>(PhantomData<(P, Min, Max)>);

impl<V: Ord, P: Get<V>, Min: Get<V>, Max: Get<V>> Get<V> for Within<P, Min, Max> {
	fn get() -> V {
		P::get().clamp(Min::get(), Max::get())
	}
}

/// Declares `$name` as the stored parameter within its bounds, and a test that its default is.
macro_rules! bounded {
	($module:ident, $variant:ident, $tests:ident: $($name:ident: $type:ty = $min:expr, $max:expr;)*) => {
		#[doc = concat!("Policy of pallet ", stringify!($module), " within its bounds.")]
		pub mod $module {
			use super::*;
			$(
				#[doc = concat!("[`stored::", stringify!($module), "::", stringify!($name), "`], bounded.")]
				pub type $name = Within<stored::$module::$name, bounds::$name::Min, bounds::$name::Max>;
			)*
			/// The bounds.
			#[allow(non_snake_case)]
			pub mod bounds {
				use super::*;
				$(
					#[doc = concat!("Bounds of ", stringify!($name), ".")]
					pub mod $name {
						use super::*;
						parameter_types! {
							/// Least value.
							pub const Min: $type = $min;
							/// Greatest value.
							pub const Max: $type = $max;
						}
					}
				)*
			}
		}
		#[cfg(test)]
		mod $tests {
			use super::*;

			#[test]
			fn parameters_should_be_within_their_bounds_by_default() {
				sp_io::TestExternalities::default().execute_with(|| {
					$(
						let (min, max) = ($module::bounds::$name::Min::get(), $module::bounds::$name::Max::get());
						let value: $type = stored::$module::$name::get();
						assert!(min < max && min <= value && value <= max, stringify!($name));
					)*
				});
			}

			#[test]
			fn parameters_should_stop_at_their_bounds_when_set_beyond() {
				use frame_support::assert_ok;
				sp_io::TestExternalities::default().execute_with(|| {
					$(
						for (value, expected) in [
							(<$type as Extreme>::LEAST, $module::bounds::$name::Min::get()),
							(<$type as Extreme>::GREATEST, $module::bounds::$name::Max::get()),
						] {
							let parameter = stored::$module::Parameters::$name(stored::$module::$name, Some(value));
							assert_ok!(crate::Parameters::set_parameter(
								crate::RuntimeOrigin::root(),
								RuntimeParameters::$variant(parameter)
							));
							assert_eq!($module::$name::get(), expected, stringify!($name));
						}
					)*
				});
			}
		}
	};
}

#[cfg(test)]
trait Extreme {
	const LEAST: Self;
	const GREATEST: Self;
}
#[cfg(test)]
macro_rules! extreme {
	($($type:ty: $least:expr, $greatest:expr;)*) => {
		$(impl Extreme for $type { const LEAST: Self = $least; const GREATEST: Self = $greatest; })*
	};
}
#[cfg(test)]
extreme! {
	u32: u32::MIN, u32::MAX;
	Balance: Balance::MIN, Balance::MAX;
	Permill: Permill::zero(), Permill::one();
	Perbill: Perbill::zero(), Perbill::one();
}

bounded! { providers, Providers, providers_tests:
	MinBond: Balance = TESS, 1_000_000 * TESS;
	UnbondingTicks: u32 = 10, 60 * DAY;
	HeartbeatWindow: u32 = 5, HOUR;
	HeartbeatExpiry: u32 = 20, DAY;
}

bounded! { jobs, Jobs, jobs_tests:
	ProtocolCut: Permill = Permill::from_parts(1), Permill::from_percent(20);
	FeeFloorBase: Balance = 1_000_000, 10 * TESS;
	FeeFloorPerTick: Balance = 1, TESS;
	ExpiryPenalty: Permill = Permill::from_percent(1), Permill::from_percent(50);
	HandBackPenalty: Permill = Permill::from_parts(1_000), Permill::from_percent(10);
	FetchWindow: u32 = 5, HOUR;
	ChallengeTicks: u32 = 1, DAY;
	MaxAttempts: u32 = 2, limits::MAX_ATTEMPTS;
	MaxExecutionTicks: u32 = HOUR, 7 * DAY;
	MaxLifetimeTicks: u32 = DAY, 365 * DAY;
	RetentionTicks: u32 = 10, 30 * DAY;
	FullBlock: Perbill = Perbill::from_percent(50), Perbill::from_percent(99);
	MaxStalledBlocks: u32 = 10, DAY;
}
