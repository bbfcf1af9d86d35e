package nats

import "github.com/segue-run/segue/driver"

const kind = "nats"

// Parts is all that this driver gives to a runbook.
func Parts() []driver.Part {
	return []driver.Part{
		driver.Connects(driver.About{Name: kind, Doc: "A NATS cluster with JetStream, as a user of one account.", Reads: recordsRead{}, Writes: recordsWrite{}}, open),

		driver.Acts(driver.About{Name: "nats.stream", On: kind, Doc: "Creates or updates a stream; only the settings that are given are owned."}, newStream),
		driver.Acts(driver.About{Name: "nats.consumer", On: kind, Resumable: true, Doc: "Creates or updates a durable consumer; only the settings that are given are owned."}, newConsumer),
		driver.Acts(driver.About{Name: "nats.move", On: kind, Resumable: true, Doc: "Moves subjects from one stream to another: cut, attach, old workers finish, new workers start. For a few milliseconds nothing owns the subjects: publishers must retry."}, newMove),
		driver.Acts(driver.About{Name: "nats.handover", On: kind, Resumable: true, Doc: "Hands subjects over from one live stream to another with nothing lost, doubled or reordered, history and consumers included; the old stream stays a hot standby until nats.promote."}, newHandover),
		driver.Acts(driver.About{Name: "nats.promote", On: kind, Resumable: true, Approved: true, Doc: "Ends the hot standby of a handover. From here on going back copies what has come since, as far as the new stream still holds it."}, newPromote),
		driver.Acts(driver.About{Name: "nats.probe", On: kind, Resumable: true, Doc: "Publishes a marked test message, sees it stored and acknowledged, and removes it, and only it."}, newProbe),
		driver.Acts(driver.About{Name: "nats.purge", On: kind, Resumable: true, Irreversible: true, Doc: "Removes a stream's messages by subject, those that are there when it starts."}, newPurge),
		driver.Acts(driver.About{Name: "nats.backup", On: kind, Doc: "Takes a snapshot of a stream with its consumers into a directory, with a manifest and checksums."}, newBackup),
		driver.Acts(driver.About{Name: "nats.restore", On: kind, Resumable: true, Doc: "Brings back a stream that does not exist from a backup: configuration, messages with their sequences, consumers as far as they were."}, newRestore),
		driver.Acts(driver.About{Name: "nats.delete", On: kind, Resumable: true, Irreversible: true, Doc: "Deletes a stream that owns no subjects, whose consumers have finished and which no stream copies from, for good."}, newDelete),

		driver.Checks(driver.About{Name: "nats.healthy", On: kind, Doc: "All nodes answer, there is a meta leader, and every stream and consumer has a leader and current replicas."}, newHealthy),
		driver.Checks(driver.About{Name: "nats.stream", On: kind, Doc: "A stream exists and is as expected."}, newStreamCheck),
		driver.Checks(driver.About{Name: "nats.consumer", On: kind, Doc: "A consumer exists and is as expected."}, newConsumerCheck),
		driver.Checks(driver.About{Name: "nats.flow", On: kind, Doc: "Messages of a stream, or of its consumer, advance."}, newFlow),
		driver.Checks(driver.About{Name: "nats.lag", On: kind, Doc: "Messages that a consumer has yet to finish, delivered ones included, are few."}, newLag),
		driver.Checks(driver.About{Name: "nats.drained", On: kind, Doc: "Consumers have finished everything: nothing pending, nothing delivered and unacknowledged."}, newDrained),
		driver.Checks(driver.About{Name: "nats.idle", On: kind, Doc: "No message arrived for a time, or since the last look, those sourced from another stream not counted."}, newIdle),
		driver.Checks(driver.About{Name: "nats.latency", On: kind, Doc: "Round trips to all nodes are short."}, newLatency),
		driver.Checks(driver.About{Name: "nats.absent", On: kind, Doc: "Streams and consumers do not exist."}, newAbsent),
		driver.Checks(driver.About{Name: "nats.streams", On: kind, Doc: "The account has exactly these streams."}, newStreamsCheck),
	}
}
