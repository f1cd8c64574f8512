"""Where models run."""

from __future__ import annotations

from ..lexicon import Concept

PLACES: dict[Concept, dict[str, str]] = {
    "platform": {
        "server": (
            "server|servers|data center|datacenter|data centre|cloud|cloud instance|backend|back end|server side|"
            "rest api|web server|web service|web api|in the cloud|vm|kubernetes|production server|this host|"
            "this machine|this server|linux box|web backend|microservice|lambda|aws|ec2|azure|gcp"
        ),
        "edge": (
            "edge|edge device|edge devices|phone|phones|smartphone|smartphones|mobile|mobile phone|mobile device|"
            "mobile devices|mobile app|cell phone|cellphone|telephone|android|iphone|iphones|ios|ipad|tablet|tablets|"
            "raspberry pi|pi|pis|raspberry|raspi|rpi|pi zero|jetson|jetson nano|microcontroller|microcontrollers|mcu|"
            "mcus|esp32|esp8266|arduino|stm32|cortex|embedded|embedded device|embedded board|embedded system|iot|"
            "iot device|wearable|watch|smartwatch|smart watch|drone|pixel|galaxy|coral|micro controller|nrf52|rp2040|"
            "beaglebone|on device|handheld|handset|handsets|teensy|micro controllers|smart camera|gadget|headset|"
            "glasses|smart speaker|hearing aid|earbuds|robot|car|single board computer|sbc|pi 4|pi 5|pi 3|gateway|"
            "phone app|phone apps|mobile apps|wearables|watches|smartwatches|smart watches|drones|robots|cars|"
            "headsets|"
            "smart speakers|hearing aids|embedded systems|embedded boards|gateways|raspberry pis|arduinos|ipads|"
            "iot devices|embedded devices|set top box|set top boxes|smart tv|smart tvs|smart cameras|gadgets"
        ),
        "browser": (
            "browser|browsers|web browser|web page|webpage|web app|webapp|web site|website|chrome|safari|firefox|web|"
            "the web|chromium|in browser|web application|client side|onnxruntime web|ort web|onnx runtime web|pwa|"
            "mobile browser|mobile safari|mobile chrome|edge browser|microsoft edge|opera|javascript|js|web pages|"
            "mobile web|web frontend|frontend|front end|browser extension|browser tab|chrome extension|chromebook"
        ),
        "node": (
            "node|nodejs|node js|node.js|node service|node app|node application|node process|node script|node program"
        ),
        "unknown": (
            "laptop|laptops|desktop|pc|mac|macbook|gpu|gpus|cuda|tensorrt|npu|tpu|notebook|workstation|fpga|dsp|"
            "coreml|core ml|tflite|openvino"
        ),
    },
    "thing": {
        "": "gateway|gateways|gadget|gadgets|robot|robots|car|cars|glasses|watch|watches|headset|headsets|lambda"
    },
    "device": {
        "edge": (
            "esp32|esp8266|cortex|stm32|iphone|raspberry|jetson|arduino|rp2040|nrf52|pixel|galaxy|ipad|rpi|nrf|esp"
        ),
    },
    "runtime": {
        "onnx": "onnxruntime|onnx runtime|ort",
        "onnx?": "onnx",
        "torch": "js torch|libtorch",
        "torch?": "torch|pytorch",
        "wasm": "wasm|webassembly|web assembly",
        "webgpu": "webgpu|web gpu",
        "webgl": "webgl|web gl",
    },
    "through": {
        "": (
            "with|on|using|via|runtime|through|runtime is|run in|runs in|running in|run on|runs on|engine|"
            "executed in|executed by|under|served by|served with|backend"
        ),
    },
    "made": {
        "": (
            "train|trained|trains|developed|prototyped|prototype|exported|exports|coded|built with|built in|"
            "written in|"
            "converted from|ported from|comes from|came from|export|converted|ported|implemented in|moved from|"
            "moved away from|move away from|migrated from|coming from|used to run on|used to run in|used to run"
        ),
    },
    "targeting": {
        "aim": "target|targets|targeting",
        "": "use|deploy|deployed|deployment|platform|run|runs|running|ship|shipping|execute",
    },
}
