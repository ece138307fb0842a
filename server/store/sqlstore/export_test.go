package sqlstore

// Planned are statements that must find their rows by an index.
var Planned = []struct{ Index, SQL string }{
	{"tasks_pkey", lockTasks},
	{"tasks_pkey", deleteTasks},
	{"tasks_pkey", updateTasks},
	{"messages_pkey", findMessages},
	{"messages_pkey", updateMessages},
	{"payments_at_psp", findOwners},
	{"attempts_by_id", orderOfAttempt},
	{"attempts_by_id", ordersOfAttempts},
	{"messages_pkey", orderOfAttempt},
	{"messages_pkey", ordersOfAttempts},
	{"refunds_by_id", orderOfRefund},
	{"links_token", readLinkByTokenOnPostgres},
	{"tasks_due", claimTasksOnPostgres},
	{"tasks_pkey", claimTaskOnPostgres},
	{"tasks_of_order", nudgeTasksOnPostgres},
	{"forged_newest", addForgedOnPostgres},
	{"messages_orphaned", readOrphansOnPostgres},
}
