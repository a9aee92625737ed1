// SPDX-License-Identifier: Apache-2.0

use super::*;
use tessera_primitives::{TaskId, api, job::JobRequest, provider::AdapterClass};

fn all_open(limit: u32) -> (Vec<TaskId>, u32) {
	let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
	loop {
		let page = Jobs::open_tasks_page(after, limit);
		assert!(page.tasks.len() <= limit as usize);
		found.extend(page.tasks.iter().map(|task| task.id));
		pages += 1;
		match page.next {
			Some(next) => after = Some(next),
			None => return (found, pages),
		}
	}
}

#[test]
fn job_info_should_show_the_job_as_it_is() {
	with_program(|| {
		let id = submit(2);
		accept(P1, id, 0, 0);
		let info = Jobs::job_info(id).unwrap();
		assert_eq!((info.id, info.tenant, info.request), (id, ALICE, request(2)));
		assert_eq!((info.submitted_at, info.open_until, info.challenge_ticks), (0, 50, 5));
		assert_eq!((info.closed, info.ended_at), (None, None));
		assert_eq!(info.counts, api::TaskCounts { open: 1, accepted: 1, ..Default::default() });
		assert_eq!((info.escrow, info.deposit), (4_000, deposit_of(ALICE)));
		assert_eq!(Jobs::job_info(H256::zero()), None);
		assert_eq!(Jobs::job(id), Jobs::job_info(id), "the view function");
	});
}

#[test]
fn jobs_of_should_page_through_a_tenants_jobs() {
	with_program(|| {
		for client_id in 0..7 {
			submit_as(ALICE, client_id, request(1));
			submit_as(BOB, client_id, request(1));
		}
		let (mut found, mut after) = (Vec::new(), None);
		loop {
			let page = Jobs::jobs_of(&ALICE, after, 3);
			assert!(page.iter().all(|job| job.tenant == ALICE));
			found.extend(page.iter().map(|job| job.id));
			match page.last() {
				Some(job) => after = Some(job.id),
				None => break,
			}
		}
		assert_eq!(found.len(), 7);
		assert!(found.is_sorted());
		assert!(Jobs::jobs_of(&CAROL, None, 10).is_empty());
	});
}

#[test]
fn task_info_should_show_tasks_without_records() {
	with_program(|| {
		let id = submit(2);
		run_to(1);
		let info = Jobs::task_info(id, 1).unwrap();
		assert_eq!(info.state, TaskState::Open { since: 0, price: 1_000 });
		assert_eq!((info.attempt, info.price), (0, Some(1_100)));
		assert_eq!(Jobs::task_info(id, 2), None);
		assert_eq!(Jobs::task_info(H256::zero(), 0), None);
		accept(P1, id, 0, 0);
		assert_eq!(Jobs::task_info(id, 0).unwrap().price, None);
		assert_eq!(Jobs::task(id, 1), Jobs::task_info(id, 1), "the view function");
	});
}

#[test]
fn tasks_page_should_be_bounded() {
	with_program(|| {
		let id = submit(300);
		assert_eq!(Jobs::tasks_page(id, 0, u32::MAX).len(), 256);
		assert_eq!(Jobs::tasks_page(id, 256, u32::MAX).len(), 44);
		let ids: Vec<_> = Jobs::tasks_page(id, 7, 2).iter().map(|task| task.id.1).collect();
		assert_eq!(ids, [7, 8]);
		assert!(Jobs::tasks_page(id, 300, 10).is_empty());
		assert!(Jobs::tasks_page(H256::zero(), 0, 10).is_empty());
	});
}

#[test]
fn open_tasks_should_list_each_open_task_once_whatever_the_page() {
	with_program(|| {
		let ids: Vec<_> = (0..5).map(|client_id| submit_as(ALICE, client_id, request(4))).collect();
		accept(P1, ids[0], 0, 0);
		accept(P1, ids[1], 3, 0);
		for task in 0..4 {
			accept(P2, ids[2], task, 0);
		}
		assert_ok!(Jobs::cancel(RuntimeOrigin::signed(ALICE), ids[3]));
		for limit in [1, 2, 3, 100] {
			let (mut found, _) = all_open(limit);
			found.sort();
			let mut expected: Vec<_> = (1..4)
				.map(|task| (ids[0], task))
				.chain((0..3).map(|task| (ids[1], task)))
				.chain((0..4).map(|task| (ids[4], task)))
				.collect();
			expected.sort();
			assert_eq!(found, expected, "pages of {limit}");
		}
	});
}

#[test]
fn open_tasks_should_go_on_when_the_job_of_the_last_page_is_gone() {
	with_program(|| {
		let ids: Vec<_> = (0..3).map(|client_id| submit_as(ALICE, client_id, request(2))).collect();
		let page = Jobs::open_tasks_page(None, 1);
		let (first, _) = page.next.unwrap();
		assert_ok!(Jobs::cancel(RuntimeOrigin::signed(ALICE), first));
		let rest = Jobs::open_tasks_page(page.next, 100);
		assert_eq!(rest.tasks.len(), 4);
		assert!(rest.tasks.iter().all(|task| task.id.0 != first && ids.contains(&task.id.0)));
		assert_eq!(rest.next, None);
	});
}

#[test]
fn open_tasks_should_look_at_a_bounded_number_of_tasks() {
	with_program(|| {
		let big = JobRequest { opening_price: 35, ceiling_price: 35, ..request(2_000) };
		let id = submit_as(ALICE, 1, big);
		for start in (0..1_900).step_by(100) {
			let items = (start..start + 100).map(|task| accept_item(id, task, 0)).collect();
			send(accept_call(accept_order(P1, items))).unwrap();
		}
		let page = Jobs::open_tasks_page(None, 10);
		assert!(page.tasks.is_empty());
		assert_eq!(page.next, Some((id, 1_023)));
		let page = Jobs::open_tasks_page(page.next, 10);
		assert_eq!(page.tasks.first().unwrap().id, (id, 1_900));
		assert_eq!(page.tasks.len(), 10);
	});
}

#[test]
fn open_tasks_should_show_price_ceiling_and_who_is_barred() {
	with_program(|| {
		let id = submit(1);
		accept(P1, id, 0, 0);
		hand_back(P1, id, 0, 0, HandBackReason::NoInputs);
		run_to(2);
		let page = Jobs::open_tasks_page(None, 10);
		let expected =
			api::OpenTask { id: (id, 0), attempt: 1, price: 1_200, ceiling_price: 1_990, barred: vec![P1] };
		assert_eq!(page.tasks, [expected]);
		assert_eq!(Jobs::open_tasks(None, 10), page, "the view function");
	});
}

#[test]
fn open_tasks_should_leave_out_jobs_whose_lifetime_is_over() {
	with_program(|| {
		submit(3);
		run_to_without_agenda(51);
		assert_eq!(Jobs::open_tasks_page(None, 10), api::OpenTasksPage { tasks: vec![], next: None });
	});
}

#[test]
fn quote_should_say_what_submit_will_take() {
	with_program(|| {
		let quote = Jobs::quote(&request(3)).unwrap();
		let expected = api::Quote {
			floor_price: 35,
			escrow: 6_000,
			deposit: quote.deposit,
			cut: 100,
			eligible_providers: 5,
			scanned: 256,
		};
		assert_eq!(quote, expected);
		submit(3);
		assert_eq!((escrow_of(ALICE), deposit_of(ALICE)), (quote.escrow, quote.deposit));
		let mut apple = request(3);
		apple.requirements.class = Some(AdapterClass::M1);
		assert_eq!(Jobs::quote(&apple).unwrap().eligible_providers, 0);
	});
}

#[test]
fn quote_should_name_the_error_of_submit() {
	with_program(|| {
		let name = |request: JobRequest| String::from_utf8(Jobs::quote(&request).unwrap_err().name).unwrap();
		assert_eq!(name(request(0)), "TaskCount");
		assert_eq!(name(JobRequest { opening_price: 1, ..request(1) }), "FeeBelowFloor");
		assert_eq!(name(JobRequest { program: H256::zero(), ..request(1) }), "UnknownProgram");
	});
}

#[test]
fn market_and_clock_should_show_the_counts() {
	with_program(|| {
		let id = submit(1);
		submit(2);
		accept(P1, id, 0, 0);
		claim(P1, id, 0, 0);
		run_to(5);
		let expected = api::MarketSummary {
			programs: 1,
			jobs: 2,
			open_jobs: 1,
			providers: 9,
			settled_tasks: 1,
			paid: 950,
			cut: 50,
			burnt: 0,
		};
		assert_eq!(Jobs::market_summary(9), expected);
		assert_eq!(Jobs::market().providers, 0);
		let clock = api::Clock { tick: 5, heartbeat_window: 6, fetch_window: 3, challenge_ticks: 5 };
		assert_eq!(Jobs::clock(6), clock);
		assert_eq!(Jobs::tick(), 5);
		assert_eq!(Jobs::program(PROGRAM), Some(manifest()));
	});
}
