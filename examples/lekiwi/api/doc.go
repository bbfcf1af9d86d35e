// Package api holds what Lekiwi's services and their clients say to each other:
// paths, bodies and WebSocket messages. It does no I/O.
//
// A robot and an operator need not know which system they speak to: the legacy
// paths and the messages of /ws are the same on both sides of the edge. What
// only the new system has is below /api/.
//
// # Heartbeats
//
// Over HTTP: POST /robot/status with a Heartbeat (a robot.Record, and if the
// robot has one a message_id). 200 with an Accepted says that it is kept, by
// the legacy system in memory and by the new one as its state-manager keeps it;
// 400 with an Error names the bad field; 503 with Retry-After asks to send it
// again. Sending a heartbeat again under its message_id, or with the same
// content and last_seen, changes nothing.
//
// Over WebSocket: GET /ws, then a Message of type heartbeat for each, numbered
// by the client in n from 1. The answer is a Message of type ack with the
// highest n up to which all are kept but those that were answered by a Message
// of type error with their n: they never will be. A server that cannot keep them closes with status 1013, one
// that ends with 1001, after it has acked what it kept: whoever is not acked
// connects again and sends again.
//
// # Watching
//
// On the same socket: subscribe with topics, answered by subscribed and then by
// a state for each robot that changes. A server says ping every five seconds
// and drops who has said nothing for thirty; any message counts, pong is for
// who has nothing to say.
//
// # Being asked
//
// Both systems ask robots themselves. Where, is a template (ROBOT_URL):
// http://{ip}:8080/status in the field, and behind a gateway
// http://gateway/{ip}/status. The answer is 200 with a robot.Record.
package api
