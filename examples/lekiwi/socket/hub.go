package socket

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/robot"
)

// Hub gives changes to those who have subscribed to them. Its zero value works.
type Hub struct {
	mu     sync.Mutex
	topics map[string]map[*conn]bool
	driven map[string]bool // robots that were driven at the last change
	polled map[string]api.Change
	told   uint64 // numbers what is told, so that a connection with two topics gets it once
}

// Tell gives changes to who watches: at once, or with poll when Flush is called.
// Of a robot that changes several times until then, the last change is told.
func (h *Hub) Tell(changes []api.Change, poll bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range changes {
		if !poll {
			delete(h.polled, c.RobotID)
			h.tell(c)
			continue
		}
		if h.polled == nil {
			h.polled = map[string]api.Change{}
		}
		h.polled[c.RobotID] = c
	}
}

// Flush tells what waits for it.
func (h *Hub) Flush() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, c := range h.polled {
		h.tell(c)
		delete(h.polled, id)
	}
}

func (h *Hub) tell(c api.Change) {
	topics := []string{api.TopicRobots, api.TopicRobot + c.RobotID}
	driven := c.Robot != nil && c.Robot.Teleoperation
	if c.Robot != nil {
		topics = append(topics, api.TopicType+string(c.Robot.Type))
	}
	if driven || h.driven[c.RobotID] {
		topics = append(topics, api.TopicTeleoperation)
	}
	if h.driven == nil {
		h.driven = map[string]bool{}
	}
	if driven {
		h.driven[c.RobotID] = true
	} else {
		delete(h.driven, c.RobotID)
	}
	h.told++
	var body []byte // made once, for the first who wants it
	for _, topic := range topics {
		for to := range h.topics[topic] {
			if to.told == h.told {
				continue
			}
			to.told = h.told
			if body == nil {
				body = encode(api.Message{Type: api.TypeState, Change: &c})
			}
			to.state(c.RobotID, body)
		}
	}
}

// subscribe adds topics to a connection's, or takes them away, and returns all
// that it has.
func (h *Hub) subscribe(c *conn, topics []string, on bool) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.topics == nil {
		h.topics = map[string]map[*conn]bool{}
	}
	for _, topic := range topics {
		switch {
		case on && len(c.topics) < maxTopics:
			if h.topics[topic] == nil {
				h.topics[topic] = map[*conn]bool{}
			}
			h.topics[topic][c] = true
			c.topics[topic] = true
		case !on:
			h.leave(c, topic)
		}
	}
	all := make([]string, 0, len(c.topics))
	for topic := range c.topics {
		all = append(all, topic)
	}
	return all
}

func (h *Hub) leave(c *conn, topic string) {
	delete(c.topics, topic)
	delete(h.topics[topic], c)
	if len(h.topics[topic]) == 0 {
		delete(h.topics, topic)
	}
}

// forget takes a connection out of all.
func (h *Hub) forget(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for topic := range c.topics {
		h.leave(c, topic)
	}
}

// maxTopics bounds what one connection may subscribe to.
const maxTopics = 1000

// knownTopic says whether there is such a topic.
func knownTopic(topic string) bool {
	switch {
	case topic == api.TopicRobots, topic == api.TopicTeleoperation:
		return true
	case len(topic) > len(api.TopicRobot) && topic[:len(api.TopicRobot)] == api.TopicRobot:
		return true
	}
	for _, t := range robot.Types() {
		if topic == api.TopicType+string(t) {
			return true
		}
	}
	return false
}

func encode(m api.Message) []byte {
	body, err := json.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("socket: a message of type %s has no JSON: %v", m.Type, err))
	}
	return body
}

// FlushEvery is how often a Hub that polls is to be flushed.
const FlushEvery = 5 * time.Second
