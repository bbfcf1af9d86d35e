// Package teleoperation is the teleoperation-service: who drives which robot.
//
// A session is a row, and that a robot has one active session is a unique
// index, so it holds however many ask at once. What robots say of themselves
// counts too: a robot that says that it is driven, while nobody has told the
// service, has an observed session, which ends when it says otherwise and which
// an operator may take over.
//
// With the flag teleoperation_optimization the service answers from a copy of
// the robots that changes keep current, and writes the quality of sessions once
// a second, the newest sample of each. Without it, it asks the state-manager
// each time and writes each sample.
package teleoperation
