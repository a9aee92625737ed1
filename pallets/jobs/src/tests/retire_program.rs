// SPDX-License-Identifier: Apache-2.0

use super::*;

#[test]
fn retire_program_should_return_the_deposit_when_no_job_uses_it() {
	with_program(|| {
		assert_ok!(Jobs::retire_program(RuntimeOrigin::signed(CAROL), PROGRAM));
		assert_eq!(free(CAROL), FUNDS);
		assert!(!crate::Programs::<Test>::contains_key(PROGRAM));
		assert_eq!(last_event(), Event::ProgramRetired { program: PROGRAM });
		// Free for anyone again.
		assert_ok!(Jobs::register_program(RuntimeOrigin::signed(ALICE), PROGRAM, 1_000, manifest()));
	});
}

#[test]
fn retire_program_should_fail_when_the_caller_is_not_its_owner() {
	with_program(|| {
		assert_noop!(
			Jobs::retire_program(RuntimeOrigin::signed(ALICE), PROGRAM),
			Error::<Test>::NotProgramOwner
		);
	});
}

#[test]
fn retire_program_should_fail_when_there_is_no_such_program() {
	build_and_execute(|| {
		assert_noop!(
			Jobs::retire_program(RuntimeOrigin::signed(ALICE), PROGRAM),
			Error::<Test>::UnknownProgram
		);
	});
}

#[test]
fn retire_program_should_fail_while_a_job_on_chain_uses_it() {
	with_program(|| {
		let retire = || Jobs::retire_program(RuntimeOrigin::signed(CAROL), PROGRAM);
		let (first, second) = (submit(1), submit(2));
		assert_noop!(retire(), Error::<Test>::ProgramInUse);
		for id in [first, second] {
			assert_ok!(Jobs::cancel(RuntimeOrigin::signed(ALICE), id));
			// Ended, but its record still names the program.
			assert_noop!(retire(), Error::<Test>::ProgramInUse);
			assert_ok!(Jobs::clean_up(RuntimeOrigin::signed(ALICE), id, 0));
		}
		assert_ok!(retire());
	});
}
