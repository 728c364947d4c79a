import numpy as np
import torch
import torch.nn as nn

import descend as optim

x_train = np.array([[3.3], [4.4], [5.5], [6.71], [6.93], [4.168], [9.779], [6.182], [7.59], [2.167],
                    [7.042], [10.791], [5.313], [7.997], [3.1]], dtype=np.float32)

y_train = np.array([[1.7], [2.76], [2.09], [3.19], [1.694], [1.573], [3.366], [2.596], [2.53], [1.221],
                    [2.827], [3.465], [1.65], [2.904], [1.3]], dtype=np.float32)

x_train = torch.from_numpy(x_train)
y_train = torch.from_numpy(y_train)


class LinearRegression(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(1, 1)

    def forward(self, x):
        return self.linear(x)


def train(model, optimizer, criterion, num_epochs=100):
    for epoch in range(num_epochs):
        optimizer.zero_grad()
        loss = criterion(model(x_train), y_train)
        loss.backward()
        optimizer.step()
        if (epoch + 1) % 20 == 0:
            print('Epoch [{}/{}], loss: {:.6f}'.format(epoch + 1, num_epochs, loss.item()))
    w, b = (p.item() for p in model.parameters())
    print('Learned: y = {:.6f} x + {:.6f}\n'.format(w, b))


settings = [
    ('SGD, lr 0.01', lambda params: optim.SGD(params, lr=0.01)),
    ('SGD, lr 0.01, momentum 0.9', lambda params: optim.SGD(params, lr=0.01, momentum=0.9)),
    ('RMSprop, lr 0.01', lambda params: optim.RMSprop(params, lr=0.01)),
    ('Adam, lr 0.001', lambda params: optim.Adam(params, lr=0.001)),
]

for name, make in settings:
    torch.manual_seed(0)
    model = LinearRegression()
    print(name)
    train(model, make(model.parameters()), nn.MSELoss())
