// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::{ClockState, WeightInfo};
use frame_support::{dispatch::DispatchClass, traits::Get};
use tessera_primitives::traits::TickClock;

fn limits() -> frame_system::limits::BlockWeights {
	<Test as frame_system::Config>::BlockWeights::get()
}

/// As much of an ordinary block as makes it count as full.
fn full() -> Weight {
	let max = limits().get(DispatchClass::Normal).max_total.unwrap();
	Weight::from_parts(max.ref_time() / 10 * 9, 0)
}

#[test]
fn clock_should_count_a_tick_a_block() {
	build_and_execute(|| {
		assert_eq!(now(), 0);
		for tick in 1..5 {
			next_block();
			assert_eq!(now(), tick);
		}
		assert_eq!(<Jobs as TickClock>::now(), 4);
	});
}

#[test]
fn clock_should_stand_still_while_blocks_are_full_for_a_bounded_time() {
	build_and_execute(|| {
		next_block();
		for _ in 0..4 {
			next_block_after(full(), 0);
			assert_eq!(now(), 1);
		}
		// Patience is over.
		for tick in 2..6 {
			next_block_after(full(), 0);
			assert_eq!(now(), tick);
		}
	});
}

#[test]
fn clock_should_win_patience_back_with_every_block_that_is_not_full() {
	build_and_execute(|| {
		for _ in 0..5 {
			next_block_after(full(), 0);
		}
		assert_eq!(crate::Clock::<Test>::get(), ClockState { tick: 1, stalled: 4, full: true });
		next_block();
		next_block();
		assert_eq!(crate::Clock::<Test>::get(), ClockState { tick: 3, stalled: 2, full: false });
		next_block_after(full(), 0);
		next_block_after(full(), 0);
		assert_eq!(now(), 3);
		next_block_after(full(), 0);
		assert_eq!(now(), 4);
		for _ in 0..10 {
			next_block();
		}
		assert_eq!(crate::Clock::<Test>::get().stalled, 0);
	});
}

#[test]
fn clock_should_not_take_a_block_for_full_that_is_almost() {
	build_and_execute(|| {
		next_block_after(full() - Weight::from_parts(1, 0), 0);
		assert_eq!(now(), 1);
	});
}

#[test]
fn clock_should_take_a_block_for_full_by_its_length() {
	build_and_execute(|| {
		let lengths: frame_system::limits::BlockLength = <Test as frame_system::Config>::BlockLength::get();
		let longest = *lengths.max.get(DispatchClass::Normal) / 10 * 9;
		next_block_after(Weight::zero(), longest + 9);
		assert_eq!(now(), 0);
		next_block_after(Weight::zero(), longest - 9);
		assert_eq!(now(), 1);
	});
}

#[test]
fn clock_should_take_a_block_for_full_when_other_classes_use_it_up() {
	build_and_execute(|| {
		let max = limits().max_block;
		System::register_extra_weight_unchecked(
			Weight::from_parts(max.ref_time() / 10 * 9, 0),
			DispatchClass::Mandatory,
		);
		next_block();
		assert_eq!(now(), 0);
	});
}

#[test]
fn clock_should_stand_still_when_hooks_have_no_weight() {
	build_and_execute(|| {
		PollLimit::set(<() as WeightInfo>::on_poll() - Weight::from_parts(1, 0));
		next_block();
		assert_eq!(now(), 0);
		PollLimit::set(<() as WeightInfo>::on_poll());
		next_block();
		assert_eq!(now(), 1);
	});
}

#[test]
fn clock_should_never_stop_when_there_is_no_patience() {
	build_and_execute(|| {
		MaxStalledBlocks::set(0);
		next_block_after(full(), 0);
		assert_eq!(now(), 1);
	});
}

#[test]
fn set_now_should_put_the_clock_forward() {
	with_program(|| {
		let id = submit(1);
		<Jobs as TickClock>::set_now(51);
		next_block();
		assert_eq!(now(), 52);
		// The agenda has caught up.
		assert_eq!(job(id).closed, Some(EndReason::LifetimeOver));
	});
}
