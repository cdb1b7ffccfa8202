"""The learners' equations restated in plain 64-bit NumPy, to check the JAX code against."""

import numpy as np


def softmax(logits):
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def dense(params, x):
    return x @ params["kernel"] + params["bias"]


def advantages(reward, value, next_value, terminated, truncated, discount, gae_lambda):
    """Generalised advantages, one worker and one step at a time."""
    result = np.zeros_like(reward)
    for b in range(reward.shape[1]):
        later = 0.0
        for t in reversed(range(reward.shape[0])):
            bootstrap = 0.0 if terminated[t, b] else next_value[t, b]
            delta = reward[t, b] + discount * bootstrap - value[t, b]
            ended = terminated[t, b] or truncated[t, b]
            later = delta + (0.0 if ended else discount * gae_lambda * later)
            result[t, b] = later
    return result


def recurrence(params, cell, inputs, done):
    """Hidden states of the GRU or LSTM from the last step to the first, zero before an episode's last step."""
    num_steps, num_workers = done.shape
    size = params["recurrent_kernel"].shape[0]
    result = np.zeros((num_steps, num_workers, size))
    for b in range(num_workers):
        hidden, memory = np.zeros(size), np.zeros(size)
        for t in reversed(range(num_steps)):
            if done[t, b]:
                hidden, memory = np.zeros(size), np.zeros(size)
            step = gru_step if cell == "gru" else lstm_step
            hidden, memory = step(params, inputs[t, b], hidden, memory)
            result[t, b] = hidden
    return result


def gru_step(params, x, hidden, memory):
    from_input = np.split(x @ params["input_kernel"] + params["bias"], 3)
    from_hidden = np.split(hidden @ params["recurrent_kernel"], 3)
    reset = sigmoid(from_input[0] + from_hidden[0])
    update = sigmoid(from_input[1] + from_hidden[1])
    candidate = np.tanh(from_input[2] + reset * (from_hidden[2] + params["candidate_bias"]))
    return (1 - update) * candidate + update * hidden, memory


def lstm_step(params, x, hidden, memory):
    gates = x @ params["input_kernel"] + params["bias"] + hidden @ params["recurrent_kernel"]
    write, forget, candidate, read = np.split(gates, 4)
    memory = sigmoid(forget) * memory + sigmoid(write) * np.tanh(candidate)
    return sigmoid(read) * np.tanh(memory), memory


def lpg_targets(params, rule, logits, prediction, next_prediction, rollout, progress):
    """π̂ [T, B] and ŷ [T, B, Y] of the learned rule at the first update of a life."""

    def embed(probs):
        hidden = np.maximum(dense(params["embedding_hidden"], probs), 0)
        return dense(params["embedding_output"], hidden)[..., 0]

    done = rollout.terminated | rollout.truncated
    taken = np.take_along_axis(softmax(logits), rollout.action[..., None], -1)[..., 0]
    reward = rollout.reward
    if rule.settings.scale_free:
        reward = reward / max(np.sqrt(np.mean(reward.astype(float) ** 2)), 1e-8)
        reward = np.sign(reward) * np.log1p(np.abs(reward))
    inputs = [reward, done.astype(float), taken, embed(softmax(prediction))]
    inputs.append(np.where(done, 0, embed(softmax(next_prediction))))
    if rule.settings.rule == "ta-lpg":
        inputs += [np.full(done.shape, progress.fraction), np.full(done.shape, progress.log_lifetime)]
    hidden = np.maximum(recurrence(params["recurrence"], rule.settings.cell, np.stack(inputs, -1), done), 0)
    return dense(params["policy_head"], hidden)[..., 0], softmax(dense(params["prediction_head"], hidden))


def clipped_step(table, rows, row_grads, max_norm, learning_rate):
    """A table after one step of SGD on the sum of gradients of its rows, clipped by norm."""
    grad = np.zeros_like(table)
    for index in np.ndindex(rows.shape):
        grad[rows[index]] += row_grads[index]
    norm = np.sqrt((grad**2).sum())
    return table - learning_rate * grad * min(1.0, max_norm / norm)


def score(logits, action):
    """Gradient of log π(a|s) with respect to the logits."""
    return np.eye(logits.shape[-1])[action] - softmax(logits)


def a2c_row_grads(logits, value, rollout, advantage, returns, hyper):
    """Gradient of the A2C loss with respect to logits [T, B, A] and values [T, B, 1]."""
    probs = softmax(logits)
    log_probs = np.log(probs)
    policy_entropy = -(probs * log_probs).sum(-1, keepdims=True)
    entropy_grad = -probs * (log_probs + policy_entropy)
    logits_grad = -advantage[..., None] * score(logits, rollout.action) - hyper.entropy_cost * entropy_grad
    value_grad = hyper.value_cost * (value - returns)[..., None]
    return logits_grad / value.size, value_grad / value.size


def clipped_credit(ratio, advantage, clip=0.2):
    """PPO's factor of ∇log π(a|s): r·A, or 0 where r is clipped."""
    gained = np.where(advantage >= 0, ratio > 1 + clip, ratio < 1 - clip)
    return np.where(gained, 0, ratio * advantage)


def drifting_credit(ratio, advantage, alpha=2.0, beta=0.6):
    """DPO's factor of ∇log π(a|s): the derivative of r·A − drift with respect to log r."""
    gain = np.where(advantage >= 0, (ratio - 1) * advantage, advantage * np.log(ratio))
    slope = np.where(advantage >= 0, ratio * advantage, advantage)
    held = np.tanh(gain / np.where(advantage >= 0, alpha, beta)) ** 2
    return ratio * advantage - np.where(gain > 0, slope * held, 0)


def lpg_row_grads(logits, prediction, rollout, policy_weight, target, hyper):
    """Gradient of −E[log π·π̂] + α_y·E[KL(y ‖ ŷ)] with respect to logits and predictions [T, B, Y]."""
    y = softmax(prediction)
    log_ratio = np.log(y) - np.log(target)
    divergence = (y * log_ratio).sum(-1, keepdims=True)
    logits_grad = -policy_weight[..., None] * score(logits, rollout.action)
    prediction_grad = hyper.kl_cost * y * (log_ratio - divergence)
    return logits_grad / policy_weight.size, prediction_grad / policy_weight.size
