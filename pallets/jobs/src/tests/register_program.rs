// SPDX-License-Identifier: Apache-2.0

use super::*;
use frame_support::traits::fungible::InspectHold;
use tessera_primitives::{
	limits::MAX_PACKAGE_BYTES,
	program::{Access, BufferKind, ProgramManifest},
};

fn register(manifest: ProgramManifest) -> sp_runtime::DispatchResult {
	Jobs::register_program(RuntimeOrigin::signed(ALICE), PROGRAM, 1_000, manifest)
}

#[test]
fn register_program_should_store_it_and_take_a_deposit() {
	build_and_execute(|| {
		assert_ok!(register(manifest()));
		let program = crate::Programs::<Test>::get(PROGRAM).unwrap();
		assert_eq!((program.owner, program.bytes, program.manifest), (ALICE, 1_000, manifest()));
		let reason = crate::HoldReason::ProgramDeposit.into();
		let expected = 100 + 2 * u128::from(Jobs::program_footprint(&manifest()).size);
		assert_eq!(Balances::balance_on_hold(&reason, &ALICE), expected);
		assert_eq!(last_event(), Event::ProgramRegistered { program: PROGRAM, owner: ALICE });
	});
}

#[test]
fn register_program_should_fail_when_the_id_is_registered_whoever_asks() {
	with_program(|| {
		assert_noop!(register(manifest()), Error::<Test>::ProgramExists);
		assert_noop!(
			Jobs::register_program(RuntimeOrigin::signed(CAROL), PROGRAM, 1, manifest()),
			Error::<Test>::ProgramExists
		);
	});
}

#[test]
fn register_program_should_fail_when_the_package_is_empty_or_too_long() {
	build_and_execute(|| {
		let register =
			|bytes| Jobs::register_program(RuntimeOrigin::signed(ALICE), PROGRAM, bytes, manifest());
		assert_noop!(register(0), Error::<Test>::PackageLength);
		assert_noop!(register(MAX_PACKAGE_BYTES + 1), Error::<Test>::PackageLength);
		assert_ok!(register(MAX_PACKAGE_BYTES));
	});
}

#[test]
fn register_program_should_fail_when_the_deposit_is_not_covered() {
	build_and_execute(|| {
		assert_noop!(
			Jobs::register_program(RuntimeOrigin::signed(NOBODY), PROGRAM, 1_000, manifest()),
			Error::<Test>::DepositNotCovered
		);
	});
}

#[test]
fn register_program_should_fail_when_not_signed() {
	build_and_execute(|| {
		assert_noop!(
			Jobs::register_program(RuntimeOrigin::none(), PROGRAM, 1_000, manifest()),
			DispatchError::BadOrigin
		);
	});
}

#[test]
fn register_program_should_name_what_is_wrong_with_the_manifest() {
	build_and_execute(|| {
		let with = |change: fn(&mut ProgramManifest)| {
			let mut manifest = manifest();
			change(&mut manifest);
			register(manifest)
		};
		assert_noop!(with(|m| m.stages.clear()), Error::<Test>::NoStages);
		assert_noop!(with(|m| m.buffers.truncate(1)), Error::<Test>::NoOutputs);
		assert_noop!(with(|m| m.buffers[0].name.clear()), Error::<Test>::BadName);
		assert_noop!(with(|m| m.buffers[1].name = m.buffers[0].name.clone()), Error::<Test>::BadName);
		assert_noop!(with(|m| m.buffers[1].kind = BufferKind::Uniform), Error::<Test>::UniformNotInput);
		assert_noop!(with(|m| m.stages[0].bindings.clear()), Error::<Test>::NoBindings);
		assert_noop!(with(|m| m.stages[0].bindings[0].buffer = 3), Error::<Test>::UnknownBuffer);
		assert_noop!(with(|m| m.stages[0].bindings[0].group = 4), Error::<Test>::BadGroup);
		assert_noop!(with(|m| m.stages[0].bindings[0].binding = 1), Error::<Test>::DuplicateBinding);
		assert_noop!(
			with(|m| m.stages[0].bindings[0].access = Access::ReadWrite),
			Error::<Test>::WritesInput
		);
		assert_noop!(with(|m| m.stages[0].bindings[1].access = Access::Read), Error::<Test>::UnwrittenOutput);
		let unused = |m: &mut ProgramManifest| {
			m.stages[0].bindings.remove(0);
		};
		assert_noop!(with(unused), Error::<Test>::UnusedBuffer);
	});
}
