// SPDX-License-Identifier: Apache-2.0

//! Balances, fees, and the treasury's account.

use crate::{
	AccountId, Authorship, Balance, Balances, Runtime, RuntimeEvent, RuntimeFreezeReason, RuntimeHoldReason,
	System, constants::*, weights,
};
use frame_support::weights::constants::ExtrinsicBaseWeight;
use frame_support::{
	PalletId, parameter_types,
	traits::{
		ConstU8, ConstU32, Imbalance, OnUnbalanced, VariantCountOf,
		fungible::{Balanced, Credit},
		tokens::imbalance::ResolveTo,
	},
	weights::{ConstantMultiplier, WeightToFeeCoefficient, WeightToFeeCoefficients, WeightToFeePolynomial},
};
use pallet_transaction_payment::{FungibleAdapter, Multiplier, TargetedFeeAdjustment};
use sp_runtime::{
	FixedPointNumber, Perbill, Perquintill,
	traits::{AccountIdConversion, Bounded},
};

parameter_types! {
	/// See [`EXISTENTIAL_DEPOSIT`].
	pub const ExistentialDeposit: Balance = EXISTENTIAL_DEPOSIT;
	/// From which the treasury's account is derived.
	pub const TreasuryPalletId: PalletId = PalletId(*b"py/trsry");
	/// The treasury's account: the protocol's cut and most of the fees go there; governance spends it.
	pub TreasuryAccount: AccountId = TreasuryPalletId::get().into_account_truncating();
	/// Fee of a byte of a transaction.
	pub const TransactionByteFee: Balance = 10 * MICRO;
	/// Fullness at which fees neither rise nor fall.
	pub const TargetBlockFullness: Perquintill = Perquintill::from_percent(25);
	/// How fast fees react.
	pub AdjustmentVariable: Multiplier = Multiplier::saturating_from_rational(75, 1_000_000);
	/// The least multiplier of fees.
	pub MinimumMultiplier: Multiplier = Multiplier::saturating_from_rational(1, 10u128);
	/// The greatest.
	pub MaximumMultiplier: Multiplier = Bounded::max_value();
}

impl pallet_balances::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type RuntimeHoldReason = RuntimeHoldReason;
	type RuntimeFreezeReason = RuntimeFreezeReason;
	type Balance = Balance;
	type DustRemoval = ResolveTo<TreasuryAccount, Balances>;
	type ExistentialDeposit = ExistentialDeposit;
	type AccountStore = System;
	type WeightInfo = weights::pallet_balances::WeightInfo<Runtime>;
	type MaxLocks = ConstU32<50>;
	type MaxReserves = ConstU32<50>;
	type ReserveIdentifier = [u8; 8];
	type FreezeIdentifier = RuntimeFreezeReason;
	type MaxFreezes = VariantCountOf<RuntimeFreezeReason>;
	type DoneSlashHandler = ();
}

/// Weight to fee: the base weight of a transaction costs a thousandth of a TESS.
pub struct WeightToFee;
impl WeightToFeePolynomial for WeightToFee {
	type Balance = Balance;

	fn polynomial() -> WeightToFeeCoefficients<Balance> {
		let base = Balance::from(ExtrinsicBaseWeight::get().ref_time());
		[WeightToFeeCoefficient {
			degree: 1,
			negative: false,
			coeff_frac: Perbill::from_rational(MILLI % base, base),
			coeff_integer: MILLI / base,
		}]
		.into_iter()
		.collect()
	}
}

/// Fees: four fifths to the treasury, one fifth and all tips to the block's author.
pub struct DealWithFees;
impl OnUnbalanced<Credit<AccountId, Balances>> for DealWithFees {
	fn on_unbalanceds(mut fees_then_tips: impl Iterator<Item = Credit<AccountId, Balances>>) {
		let Some(fees) = fees_then_tips.next() else { return };
		let (treasury, mut author) = fees.ration(80, 20);
		if let Some(tips) = fees_then_tips.next() {
			author.subsume(tips);
		}
		ResolveTo::<TreasuryAccount, Balances>::on_unbalanced(treasury);
		let unpaid = match Authorship::author() {
			Some(account) => Balances::resolve(&account, author).err(),
			None => Some(author),
		};
		if let Some(credit) = unpaid {
			ResolveTo::<TreasuryAccount, Balances>::on_unbalanced(credit);
		}
	}
}

impl pallet_transaction_payment::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type OnChargeTransaction = FungibleAdapter<Balances, DealWithFees>;
	type WeightToFee = WeightToFee;
	type LengthToFee = ConstantMultiplier<Balance, TransactionByteFee>;
	type FeeMultiplierUpdate = TargetedFeeAdjustment<
		Self,
		TargetBlockFullness,
		AdjustmentVariable,
		MinimumMultiplier,
		MaximumMultiplier,
	>;
	type OperationalFeeMultiplier = ConstU8<5>;
	type WeightInfo = weights::pallet_transaction_payment::WeightInfo<Runtime>;
}
