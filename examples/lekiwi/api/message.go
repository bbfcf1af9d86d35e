package api

import (
	"time"

	"github.com/segue-run/segue/examples/lekiwi/robot"
)

// Message is one on a WebSocket, both ways.
type Message struct {
	Type string `json:"type"`
	// N numbers a client's heartbeats; in an ack, all up to it are kept.
	N uint64 `json:"n,omitempty"`

	Heartbeat *Heartbeat `json:"heartbeat,omitempty"`
	// Topics of subscribe, unsubscribe and subscribed (all that there are now).
	Topics []string `json:"topics,omitempty"`
	// Change of a state.
	Change *Change `json:"change,omitempty"`
	// Mode of a hello: how changes come, ModePush or ModePoll.
	Mode  string `json:"mode,omitempty"`
	Error string `json:"error,omitempty"`
	Field string `json:"field,omitempty"`
}

// Types of Message; who says it.
const (
	TypeHello       = "hello"       // the server, first
	TypePing        = "ping"        // the server, every HeartbeatEvery
	TypePong        = "pong"        // the client
	TypeHeartbeat   = "heartbeat"   // the client
	TypeAck         = "ack"         // the server
	TypeError       = "error"       // the server
	TypeSubscribe   = "subscribe"   // the client
	TypeUnsubscribe = "unsubscribe" // the client
	TypeSubscribed  = "subscribed"  // the server
	TypeState       = "state"       // the server
)

// Modes of a hello.
const (
	ModePush = "push" // each change as it happens
	ModePoll = "poll" // what has changed, every few seconds
)

// Topics. Besides these there are TopicRobot with an id and TopicType with a
// type behind it.
const (
	TopicRobots        = "robots"        // every change
	TopicTeleoperation = "teleoperation" // changes of robots that are driven, or were until then
	TopicRobot         = "robot:"
	TopicType          = "type:"
)

// Times on a WebSocket.
const (
	HeartbeatEvery = 5 * time.Second
	DropAfter      = 30 * time.Second
)

// MaxMessage bounds a message on a WebSocket, in bytes.
const MaxMessage = robot.MaxRecord + 1<<10
